"""One simulated life: replicas that crash, a CloudPress that misbehaves, clients that retry; from one seed.

The reconciler, the leases, the intake and the SQL are the real ones. The invariants are checked at steps and
at the end.
"""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import SiteOrder
from app.config import async_database_url
from app.db import DATABASE_AWAY, Database, Notice
from app.orders import Idempotency, NewOrder, create_order, record_callback
from app.reconciler import OneProbe, Reconciler, Surroundings
from app.sandbox.retries import next_try_seconds
from app.schedule import Schedule
from app.secrets import CallbackSecrets
from app.signals import Signals
from app.states import FINAL, TRANSITIONS, OrderStatus
from app.webhooks.deliverer import Deliverer
from app.wishes import wish_cancel
from tests.simulation.applications import Applications
from tests.simulation.loop import VirtualLoop
from tests.simulation.postgresql import PostgresConnections
from tests.simulation.provider import Chaos, CloudPressTruth, MadeOrder, SimulatedCloudPress
from tests.simulation.sqlite import CrashedError, creator

ACCOUNT = "acct"
GRACE_SECONDS = 300.0
LEASE_SECONDS = 20.0
UPSTREAM_TIMEOUT_SECONDS = 5.0
CALLBACK_WAIT_SECONDS = 60.0
POLL_SECONDS = 3600.0
FREEZE_SECONDS = (LEASE_SECONDS / 2, LEASE_SECONDS * 1.5, 60.0)
CHAOS_SECONDS = 3600.0
CALM_SECONDS = 9 * 3600.0
EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
STEPS_BETWEEN_CHECKS = 100
SECRETS = CallbackSecrets(["the simulation's secret key, long enough"])


class ViolationError(AssertionError):
    """An invariant was broken."""


class PlainCipher:
    """Encrypts nothing: what is encrypted is not what is proven here, and it costs half of the time."""

    def encrypt(self, value: bytes) -> bytes:
        """Return the value."""
        return value

    def decrypt(self, value: bytes) -> bytes:
        """Return the value."""
        return value


class VirtualClock:
    """The database's clock, by the loop's time, as one replica reads it when its transaction begins."""

    def __init__(self, thawed: Callable[[], Awaitable[None]]) -> None:
        """Let nothing begin that `thawed` holds up."""
        self._thawed = thawed

    async def now(self, _session: AsyncSession) -> datetime:
        """Return the virtual time."""
        await self._thawed()
        return self.time()

    @staticmethod
    def time() -> datetime:
        """Return the virtual time."""
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())

    def monotonic(self) -> float:
        """Return the virtual time in seconds."""
        return asyncio.get_running_loop().time()


@dataclass(eq=False)
class Process:
    """What becomes of a replica's process: it may stand still for a while, and crash."""

    crashed: bool = False
    frozen_until: float = 0.0

    def is_crashed(self) -> bool:
        """Tell whether it is gone."""
        return self.crashed

    async def thawed(self) -> None:
        """Wait while it stands still: a machine that swaps, a paused container, a laptop that sleeps."""
        await asyncio.sleep(max(0.0, self.frozen_until - asyncio.get_running_loop().time()))


@dataclass(eq=False)
class Replica:
    """One process of the service, which runs until it crashes."""

    name: str
    process: Process
    db: Database
    signals: Signals
    reconciler: Reconciler
    deliverer: Deliverer
    running: tuple[asyncio.Task[None], ...] = ()

    @property
    def crashed(self) -> bool:
        """Whether it is gone."""
        return self.process.crashed


@dataclass
class Simulation:
    """One life, and what was seen of it."""

    seed: int
    url: str
    random: Random = field(init=False)
    replicas: list[Replica] = field(default_factory=list)
    accepted: set[UUID] = field(default_factory=set)
    unwanted: set[UUID] = field(default_factory=set)
    finals: dict[UUID, str] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    crashes: int = 0
    freezes: int = 0
    violation: str | None = None
    postgres: PostgresConnections = field(default_factory=PostgresConnections)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        random = self.random
        kinds = (
            "well",
            "not_sent",
            "held_off",
            "rejected",
            "failed",
            "very_late",
            "lost",
            "failed_after",
            "garbled",
        )
        placements = {kind: random.random() ** 2 for kind in kinds}
        placements["very_late"] *= random.choice([0, 0, 0.5])
        self.chaos = Chaos(
            read_failures=random.choice([0, 0.1, 0.4]),
            placements=placements,
            callback_loss=random.choice([0, 0.3, 1]),
            unpaid=random.choice([0, 0.3]),
        )
        self.crash_every_steps = random.choice([300, 1000, 4000])
        self.cancelling = random.choice([0, 0.2, 0.7])
        self.freeze_every_steps = random.choice([200, 1000, 10**9])
        self.truth = CloudPressTruth(random, self.chaos, VirtualClock.time, self.call_back, GRACE_SECONDS)
        self.applications = Applications(random, self.chaos)
        self.reader = _Reader(self.url)

    # --- life ---------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Live through chaos and the calm after it, and check what came of it."""
        for number in range(self.random.choice([1, 1, 2, 3])):
            self.start(f"r{number}")
        self.chaos.calm = True
        await self.applications.register(self.anyone().db)
        self.chaos.calm = False
        clients = [asyncio.create_task(self.order(number)) for number in range(self.random.randint(2, 5))]
        clients.append(asyncio.create_task(self.others_order()))
        await asyncio.sleep(CHAOS_SECONDS)
        self.chaos.calm = True
        await asyncio.gather(*clients)
        for replica in list(self.replicas):
            if replica.crashed:
                self.replicas.remove(replica)
        if not self.replicas:
            self.start("calm")
        await self.applications.recover(lambda: self.anyone().db, EPOCH)
        await asyncio.sleep(CALM_SECONDS)
        self.check()
        self.check_end()
        await self.end()

    def note(self, text: str) -> None:
        """Add to the trace."""
        self.trace.append(f"{asyncio.get_running_loop().time():12.3f} {text}")

    def start(self, name: str) -> None:
        """Start a replica."""
        process = Process()
        arguments: dict[str, Any] = {}
        if self.url.startswith("sqlite"):
            arguments["async_creator_fn"] = creator(self.url.removeprefix("sqlite:///"), process.is_crashed)
        else:
            arguments["async_creator_fn"] = self.postgres.creator(process.is_crashed)
        db = Database(
            async_database_url(self.url),
            PlainCipher(),
            clock=VirtualClock(process.thawed),
            connect_arguments=arguments,
        )
        _silence_the_dead(db, process.is_crashed)
        signals = Signals(db)
        provider = OneProbe(
            SimulatedCloudPress(
                self.truth, ACCOUNT, UPSTREAM_TIMEOUT_SECONDS, process.is_crashed, process.thawed
            )
        )

        async def provide(_account_id: str) -> OneProbe:
            return provider

        world = Surroundings(
            db=db,
            providers=provide,
            callback_signer=SECRETS,
            public_url="http://presshook.test",
            schedule=Schedule(CALLBACK_WAIT_SECONDS, GRACE_SECONDS, self.random),
            lease_seconds=LEASE_SECONDS,
            upstream_timeout_seconds=UPSTREAM_TIMEOUT_SECONDS,
        )
        reconciler = Reconciler(world, signals, poll_seconds=POLL_SECONDS)
        deliverer = Deliverer(
            db,
            signals,
            self.applications.sender(process.is_crashed, process.thawed),
            random=self.random,
            poll_seconds=POLL_SECONDS,
            wall_seconds=lambda: VirtualClock.time().timestamp(),
        )
        replica = Replica(name, process, db, signals, reconciler, deliverer)
        # As NOTIFY does between processes.
        db.on_commit(lambda notice: self.hear(replica, notice))
        replica.running = (
            asyncio.create_task(reconciler.run(grace_seconds=1)),
            asyncio.create_task(deliverer.run(grace_seconds=1)),
        )
        self.replicas.append(replica)
        self.note(f"{name} starts")

    def hear(self, speaker: Replica, notice: Notice) -> None:
        """Carry a notice to the other replicas."""
        for replica in self.replicas:
            if replica is not speaker and not replica.crashed:
                replica.signals.publish(notice)

    def step(self, steps: int) -> None:
        """Perhaps crash a replica between two steps; look at the invariants now and then."""
        if steps % STEPS_BETWEEN_CHECKS == 0:
            self.check()
        alive = [replica for replica in self.replicas if not replica.crashed]
        if not self.chaos.calm and alive and self.random.randrange(self.crash_every_steps) == 0:
            self.crash(self.random.choice(alive))
        elif not self.chaos.calm and alive and self.random.randrange(self.freeze_every_steps) == 0:
            self.freeze(self.random.choice(alive))

    def freeze(self, replica: Replica) -> None:
        """Let a replica stand still, perhaps for longer than its leases last; then it goes on unaware."""
        seconds = self.random.choice(FREEZE_SECONDS)
        self.note(f"{replica.name} stands still for {seconds:.0f} s")
        self.freezes += 1
        replica.process.frozen_until = asyncio.get_running_loop().time() + seconds

    def crash(self, replica: Replica) -> None:
        """Kill a replica: whatever it has not sent or committed is gone."""
        self.note(f"{replica.name} crashes")
        self.crashes += 1
        replica.process.crashed = True
        self.replicas.remove(replica)
        for task in (*replica.running, *replica.reconciler.running, *replica.deliverer.running):
            task.cancel()
        self.postgres.cut()
        name = f"{replica.name}'"
        asyncio.get_running_loop().call_later(self.random.choice([0, 1, 60]), lambda: self.start(name))

    def anyone(self) -> Replica:
        """Return a replica that lives."""
        alive = [replica for replica in self.replicas if not replica.crashed]
        if not alive:
            raise CrashedError("nobody is there")
        return self.random.choice(alive)

    async def order(self, number: int) -> None:
        """Be a client, who orders once and repeats until it is told."""
        random = self.random
        await asyncio.sleep(random.choice([0, 0, 10, 600]))
        name = random.choice(["Shop", "Shop", "Blog", f"Site {number}"])
        new = NewOrder(ACCOUNT, name, "vanilla", None, None, None, {})
        key = Idempotency("client", f"key {number}", "the same")
        while True:
            try:
                order = await create_order(self.anyone().db, new, key)
            except DATABASE_AWAY:
                await asyncio.sleep(1)
                continue
            self.accepted.add(order.id)
            self.note(f"{order.id} accepted: {name}")
            if random.random() < 0.7:
                break
            await asyncio.sleep(random.choice([1, 30]))
        if random.random() < self.cancelling:
            await asyncio.sleep(random.choice([0, 0.5, 5, 100, 1000]))
            await self.cancel(order.id)

    async def cancel(self, order_id: UUID) -> None:
        """Be a client who no longer wants an order."""
        while True:
            try:
                await wish_cancel(self.anyone().db, order_id, by="client")
            except DATABASE_AWAY:
                await asyncio.sleep(1)
                continue
            self.unwanted.add(order_id)
            self.note(f"{order_id} is no longer wanted")
            return

    async def others_order(self) -> None:
        """Be someone who orders in CloudPress by hand."""
        for _ in range(self.random.choice([0, 0, 2])):
            await asyncio.sleep(self.random.choice([1, 100, 2000]))
            name = self.random.choice(["shop", "Sho", "Other"])
            site = SiteOrder(name=name, variant="vanilla", location=None, plan=None, return_url=None)
            self.truth.make(site, ACCOUNT, None)

    async def call_back(self, made: MadeOrder) -> None:
        """Be CloudPress, which calls back until it is answered, unless the callback is lost."""
        random = self.random
        if made.callback is None or random.random() < self.chaos.callback_loss:
            return
        _, authorization = made.callback
        order_id = str(made.local_id)
        if SECRETS.verify(order_id, b"Bearer forged") or not SECRETS.verify(order_id, authorization.encode()):
            raise ViolationError("a callback's secret is not its order's own")
        bodies: list[Any] = [{"task": {"id": made.task_id}}, {"task_id": str(made.task_id)}, "nothing"]
        body = json.dumps(random.choice(bodies)).encode()
        for _ in range(random.choice([1, 1, 2])):
            elapsed = 0.0
            while True:
                try:
                    await record_callback(self.anyone().db, UUID(order_id), body)
                    break
                except DATABASE_AWAY:
                    wait = next_try_seconds(elapsed)
                    if wait is None:
                        return
                    await asyncio.sleep(wait)
                    elapsed += wait

    async def end(self) -> None:
        """End everything."""
        for task in list(self.truth.working):
            task.cancel()
        for replica in self.replicas:
            replica.signals.stop()
            await asyncio.gather(*replica.running)
            await replica.db.dispose()

    # --- invariants ---------------------------------------------------------------------------------

    def violate(self, text: str) -> None:
        """Tell of a broken invariant."""
        self.violation = self.violation or text
        raise ViolationError(text)

    def check(self) -> None:
        """Check what must hold at every moment."""
        rows = self.reader.orders()
        missing = self.accepted - rows.keys()
        if missing:
            self.violate(f"lost: {missing}")
        held: dict[str, UUID] = {}
        for order_id, row in rows.items():
            if order_id in self.finals and self.finals[order_id] != row["status"]:
                self.violate(f"{order_id} left {self.finals[order_id]} for {row['status']}")
            if row["status"] in FINAL:
                self.finals[order_id] = row["status"]
            elif row["due_at"] is None:
                self.violate(f"{order_id} is {row['status']} and never due")
            if row["attention_code"] == "pass_broken":
                self.violate(f"{order_id}: {row['attention_detail']}")
            holds = row["cloudpress_order_id"]
            if holds is not None:
                if holds in held:
                    self.violate(f"{holds} is held twice")
                held[holds] = order_id
                if self.truth.orders[holds].local_id != order_id:
                    self.violate(f"{order_id} holds {holds}, which is not its own")
        self.check_doubles()
        self.check_deliveries()

    def check_deliveries(self) -> None:
        """Check that a delivery is due for as long as it is pending."""
        for delivery in self.reader.deliveries():
            if (delivery["status"] == "pending") != (delivery["due_at"] is not None):
                self.violate(f"delivery {delivery['id']} is {delivery['status']}, due {delivery['due_at']}")

    def made_for(self, order_id: UUID) -> list[MadeOrder]:
        """Return the CloudPress orders that were truly made for an order."""
        return [made for made in self.truth.orders.values() if made.local_id == order_id]

    def check_doubles(self) -> None:
        """Two are allowed only where a request landed after the grace."""
        for order_id in self.accepted:
            made = self.made_for(order_id)
            if len(made) > 1 and not any(order.landed_late for order in made):
                self.violate(f"{order_id} was placed {len(made)} times")

    def check_end(self) -> None:
        """Check that every order is final, as CloudPress has it, or asks for attention."""
        for order_id, row in self.reader.orders().items():
            made = self.made_for(order_id)
            attention = row["attention_detail"] or ""
            if row["status"] not in FINAL and not attention:
                self.violate(f"{order_id} is {row['status']} and nobody is told")
            if row["status"] == OrderStatus.COMPLETED and not made:
                self.violate(f"{order_id} is completed and was never made")
            self.check_cancelling(order_id, row, made)
            if row["error_code"] == "rejected" and made:
                self.violate(f"{order_id} is rejected and was made")
            if len(made) > 1 and row["status"] in FINAL and not all(it.id in attention for it in made):
                self.violate(f"{order_id} was made as {[it.id for it in made]}, attention: {attention!r}")
        for complaint in self.applications.complaints(self.reader.milestones(), self.reader.deliveries()):
            self.violate(complaint)
        for order_id, steps in self.reader.transitions().items():
            for before, after in steps:
                if after != before and OrderStatus(after) not in TRANSITIONS[OrderStatus(before)]:
                    self.violate(f"{order_id} went from {before} to {after}")

    def check_cancelling(self, order_id: UUID, row: dict[str, Any], made: list[MadeOrder]) -> None:
        """Check that what is cancelled here lives on nowhere, and that no wish to cancel was forgotten."""
        attention = row["attention_detail"] or ""
        alive = [it.id for it in made if it.task_status != "CANCELLED" and it.id not in attention]
        if row["status"] == OrderStatus.CANCELLED and alive:
            self.violate(f"{order_id} is cancelled and lives on as {alive}")
        if row["cancel_wished_at"] is not None and row["status"] in {"awaiting_payment", "provisioning"}:
            self.violate(f"{order_id} is {row['status']}, and the wish to cancel it was forgotten")


def _silence_the_dead(db: Database, is_crashed: Callable[[], bool]) -> None:
    """Let a crashed process say nothing more to the database, whatever its code still tries."""

    def refuse(*_arguments: object) -> None:
        if is_crashed():
            raise CrashedError("crashed")

    event.listen(db.engine.sync_engine, "before_cursor_execute", refuse)
    event.listen(db.engine.sync_engine, "commit", refuse)


class _Reader:
    """Reads the database beside the service, as an auditor would."""

    def __init__(self, url: str) -> None:
        self._connection: Any
        self._sqlite = url.startswith("sqlite")
        if self._sqlite:
            self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        else:
            self._connection = psycopg.connect(url, autocommit=True)

    def orders(self) -> dict[UUID, dict[str, Any]]:
        """Return the rows that the invariants are about."""
        names = (
            "id",
            "status",
            "due_at",
            "cloudpress_order_id",
            "attention_code",
            "attention_detail",
            "error_code",
            "cancel_wished_at",
        )
        return {UUID(str(row["id"])): row for row in self._rows("orders", *names)}

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the deliveries."""
        return self._rows("deliveries", "id", "status", "due_at")

    def milestones(self) -> list[dict[str, Any]]:
        """Return the events that applications are told of."""
        found = [row for row in self._rows("events", "id", "type", "shown") if row["shown"] is not None]
        for row in found:
            if isinstance(row["shown"], str):
                row["shown"] = json.loads(row["shown"])
        return found

    def _rows(self, table: str, *names: str) -> list[dict[str, Any]]:
        query = f"SELECT {', '.join(names)} FROM {table}"  # noqa: S608 - of names written in this class
        return [dict(zip(names, row, strict=True)) for row in self._connection.execute(query).fetchall()]

    def transitions(self) -> dict[UUID, list[tuple[str, str]]]:
        """Return the changes of status that the timelines tell."""
        query = "SELECT order_id, data FROM events WHERE type = 'status_changed' ORDER BY id"
        found: dict[UUID, list[tuple[str, str]]] = {}
        for order_id, data in self._connection.execute(query).fetchall():
            told = json.loads(data) if isinstance(data, str) else data
            found.setdefault(UUID(str(order_id)), []).append((told["before"], told["after"]))
        return found

    def close(self) -> None:
        """Close."""
        self._connection.close()


def simulate(seed: int, url: str) -> Simulation:
    """Run one life on a migrated, empty database; a violation is in the result, with its trace."""
    loop = VirtualLoop(Random(seed))
    asyncio.set_event_loop(loop)
    simulation = Simulation(seed, url)
    loop.on_step = simulation.step
    # A broken invariant is found between two steps, where no coroutine could be told of it.
    try:
        loop.run_until_complete(simulation.live())
    except ViolationError as error:
        simulation.violation = simulation.violation or str(error)
        simulation.trace.append(f"violation: {error}")
    finally:
        loop.on_step = None
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        simulation.postgres.close()
        simulation.reader.close()
        loop.close()
        asyncio.set_event_loop(None)
    return simulation
