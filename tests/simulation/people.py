"""Whoever acts on a life from outside: clients, strangers, CloudPress's callbacks, liars and operators."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import UUID

from app.cloudpress import SiteOrder
from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.events.timeline import Actor
from app.orders.callbacks import CallbackIntake
from app.orders.intake import Idempotency, NewOrder, create_order
from app.orders.requests import request_cancel
from app.orders.resolving import NotResolvableError, request_resolution
from app.sandbox.retries import next_try_seconds
from app.secrets import CallbackSecrets
from app.states import OrderStatus
from tests.simulation.habits import PLACID
from tests.simulation.invariants import Auditor
from tests.simulation.provider import STEADY, Chaos, CloudPressTruth, MadeOrder

ACCOUNT = "acct"
SECRETS = CallbackSecrets(["the simulation's secret key, long enough"])
OPERATOR_SECONDS = (700.0, 2000.0)
BUSY_OPERATOR_SECONDS = (100.0, 400.0)
STEADY_EVERY_SECONDS = 110.0
STEADY_ORDERS = 46
"""Until well after the chaos: an attempt that fails at its end needs orders after it as well."""


class People:
    """All of them; each does what the seed says."""

    def __init__(
        self,
        random: Random,
        chaos: Chaos,
        truth: CloudPressTruth,
        auditor: Auditor,
        db: Callable[[], Database],
        callbacks: Callable[[], CallbackIntake],
        note: Callable[[str], None],
    ) -> None:
        """Draw how they are; `db` and `callbacks` are those of any replica that lives, or raise."""
        self._random = random
        self._chaos = chaos
        self._truth = truth
        self._auditor = auditor
        self._db = db
        self._callbacks = callbacks
        self._note = note
        self._cancelling = random.choice([0, 0.2, 0.7])
        self._lies = random.choice([0, 0, 3])
        habits = truth.habits
        self._habits = habits
        self._has_operator = random.choice([False, False, True]) or "meddling" in habits
        self._history = random.choice([0, 0, 5])
        if PLACID in habits:
            self._cancelling = self._lies = self._history = 0
            self._has_operator = False
        self.counts: Counter[str] = Counter()

    async def patiently(self, wish: Callable[[], Any]) -> Any:
        """Try again while the database is away."""
        while True:
            try:
                return await wish()
            except DATABASE_AWAY:
                await asyncio.sleep(1)

    async def order(self, number: int) -> None:
        """Be a client, who orders once and repeats until it is told."""
        random = self._random
        await asyncio.sleep(random.choice([0, 0, 10, 600]))
        name = random.choice(["Shop", "Shop", "Blog", f"Site {number}"])
        if self._habits.names:
            name = random.choice(self._habits.names)
        if PLACID in self._habits:
            name = f"Site {number}"
            await asyncio.sleep(4 * STEADY_EVERY_SECONDS)
        await self._order(name, number)

    async def steadily(self) -> None:
        """Be the clients of a placid world, whose orders go well and show that the list can be trusted."""
        for number in range(STEADY_ORDERS if PLACID in self._habits else 0):
            self._truth.spawn(self._order(f"{STEADY} {number}", 100 + number))
            await asyncio.sleep(STEADY_EVERY_SECONDS)

    async def _order(self, name: str, number: int) -> None:
        random = self._random
        new = NewOrder(ACCOUNT, name, "vanilla", None, None, None, {})
        key = Idempotency("client", f"key {number}", "the same")
        while True:
            order = await self.patiently(lambda: create_order(self._db(), new, key))
            self._auditor.accepted.add(order.id)
            self._note(f"{order.id} accepted: {name}")
            if random.random() < 0.7:
                break
            await asyncio.sleep(random.choice([1, 30]))
        if random.random() < self._cancelling:
            await asyncio.sleep(random.choice([0, 0.5, 5, 100, 1000]))
            await self.patiently(lambda: request_cancel(self._db(), order.id, by=Actor("client")))
            self._note(f"{order.id} is no longer wanted")

    async def others_orders(self) -> None:
        """Be someone who orders in the same account by hand, also what looks exactly like ours."""
        if PLACID in self._habits:
            return
        for _ in range(self._history):
            self._make_others(self._random.choice(["Shop", "Blog", "Old"]), days_ago=30)
        for _ in range(self._random.choice([0, 0, 2, 4])):
            await asyncio.sleep(self._random.choice([1, 100, 2000]))
            self._make_others(self._random.choice(["shop", "Sho", "Other", "Shop", "Blog"]))

    def posted(self, _order_id: UUID, site: SiteOrder) -> None:
        """Be somebody who orders at the very moment at which one of our orders is sent."""
        random = self._random
        if "meddling" in self._habits:
            # Something that may be ours, so that a person is asked.
            self._truth.spawn(self._order_too(site.name[:-1] or "x", 1))
        if "strangers" not in self._habits or random.random() < 0.4:
            return
        likenesses = [
            site.name,
            site.name,
            site.name.lower(),
            f"{site.name} ",
            site.name[:-1] or "x",
            "Other",
        ]
        self._truth.spawn(self._order_too(random.choice(likenesses), random.choice([0, 0, 1, 20, 60])))

    def order_instead(self, number: int) -> None:
        """Be those who order next at a CloudPress that has lost some orders."""
        for _ in range(number):
            self._truth.spawn(self._order_too("Other", self._random.choice([1, 30, 300])))

    async def _order_too(self, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._make_others(name)

    def _make_others(self, name: str, *, days_ago: float = 0) -> None:
        site = SiteOrder(name=name, variant="vanilla", location=None, plan=None, return_url=None)
        made = self._truth.make(site, ACCOUNT, None, days_ago=days_ago)
        self._note(f"{made.id} is somebody else's")

    async def call_back(self, made: MadeOrder) -> None:
        """Be CloudPress, which calls back until it is answered, unless the callback is lost."""
        random = self._random
        if made.callback is None or made.local_id is None or random.random() < self._chaos.callback_loss:
            return
        bodies: list[Any] = [{"task": {"id": made.task_id}}, {"task_id": str(made.task_id)}, "nothing"]
        if PLACID in self._habits:
            bodies = bodies[:1]
        body = json.dumps(random.choice(bodies)).encode()
        # Several at once are written together, and apart from those that come after.
        for together in random.choice([[1], [1, 1], [3], [2, 1]]):
            sent = (self._send(made.local_id, made.callback[1], body) for _ in range(together))
            await asyncio.gather(*sent)

    async def _send(self, order_id: UUID, authorization: str, body: bytes) -> None:
        """Send a callback until it is answered, for as long as CloudPress does."""
        elapsed = 0.0
        while True:
            try:
                await self.receive(order_id, authorization, body)
            except DATABASE_AWAY:
                wait = next_try_seconds(elapsed)
                if wait is None:
                    return
                await asyncio.sleep(wait)
                elapsed += wait
            else:
                return

    async def receive(self, order_id: UUID, authorization: str, body: bytes) -> bool:
        """Take a callback as the API does; tell whether it was let in."""
        if not SECRETS.verify(str(order_id), authorization.encode()):
            self.counts["forged"] += 1
            return False
        self.counts["callbacks"] += 1
        let_in = await self._callbacks().record(order_id, body)
        self._note(f"a callback of {order_id} is let in: {body.decode()}")
        self._auditor.rules.let_in(order_id, body)
        return let_in

    async def lie(self) -> None:
        """Send callbacks that are forged, and some with a right secret that name what is not the order's."""
        random = self._random
        for _ in range(self._lies):
            await asyncio.sleep(random.choice([5, 200, 900]))
            order_id = random.choice(sorted(self._auditor.accepted) or [UUID(int=1)])
            other = random.choice(sorted(self._auditor.accepted) or [UUID(int=2)])
            task_id = self._task_to_name(order_id)
            body = json.dumps({"task_id": task_id}).encode()
            wrong = random.choice(["Bearer forged", "", SECRETS.authorization(other)])
            if wrong != SECRETS.authorization(order_id) and await self.receive(order_id, wrong, body):
                self._auditor.violate("a forged callback was let in")
            if random.random() < 0.5:
                self._note(f"a callback of {order_id} names task {task_id}")
                await self.patiently(lambda: self.receive(order_id, SECRETS.authorization(order_id), body))  # noqa: B023

    def _task_to_name(self, order_id: UUID) -> int:
        """Draw a task that is not the order's own: a stranger's, another order's that holds it, or none."""
        rows = self._auditor.reader.orders()
        held = {row["cloudpress_order_id"]: other for other, row in rows.items()}
        others = [
            made
            for made in self._truth.orders.values()
            if made.local_id != order_id and (made.local_id is None or held.get(made.id) == made.local_id)
        ]
        if not others or self._random.random() < 0.3:
            return 10**9
        made = self._random.choice(others)
        self._auditor.lied_to[order_id].add(made.task_id)
        return made.task_id

    async def operate(self) -> None:
        """Be an operator, who looks into CloudPress itself and resolves what asks for attention."""
        while self._has_operator and not self._chaos.calm:
            meddles = "meddling" in self._habits
            await asyncio.sleep(self._random.choice(BUSY_OPERATOR_SECONDS if meddles else OPERATOR_SECONDS))
            for order_id, row in self._auditor.reader.orders().items():
                if row["status"] != OrderStatus.UNCONFIRMED or not row["attention_code"]:
                    continue
                held_off_until = row["not_before"]
                if meddles and (held_off_until is None or held_off_until < self._auditor.now()):
                    continue  # what he wishes is to be done later
                if self._random.random() < 0.5:
                    await self._resolve(order_id)

    async def _resolve(self, order_id: UUID) -> None:
        rows = self._auditor.reader.orders().values()
        held = {row["cloudpress_order_id"] for row in rows}
        rules = self._auditor.rules
        known = {made.id for made in self._auditor.made_for(order_id)}
        free = [made.id for made in self._auditor.made_for(order_id) if made.id not in held]
        if self._habits.are_on:
            free = [it for it in free if self._truth.orders[it].is_alive]
        action = "adopt" if free else self._random.choice(["place_again", "place_again", "fail"])
        self._note(f"the operator has {order_id} resolved: {action} {free[:1]}")
        self.counts["resolutions"] += 1
        try:
            await self.patiently(
                lambda: request_resolution(
                    self._db(),
                    order_id,
                    action=action,
                    cloudpress_order_id=free[0] if free else None,
                    by=Actor("operator"),
                )
            )
        except NotResolvableError as error:
            self._note(f"{order_id}: {error}")
            return
        if action == "place_again":
            rules.wished(order_id, known)
            if "meddling" in self._habits and order_id in self._truth.asked_for_late:
                await asyncio.sleep(self._random.choice([0, 1, 30]))
                self._truth.asked_for_late[order_id].set()
