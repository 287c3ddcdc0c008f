"""The real reconciler and database under a clock that a test moves, with a CloudPress that follows a script.

For what the sandbox cannot be asked for: one answer that is lost at one moment, hours that pass at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.store import UnknownAccountError
from app.cloudpress import (
    About,
    Answer,
    NoAnswer,
    NotFound,
    OrderDetails,
    OrderSummary,
    Placed,
    Site,
    SiteOrder,
    SiteRef,
    Task,
    TaskRef,
)
from app.cloudpress.protocol import Provider
from app.db import models
from app.db.clock import asking_for_time
from app.db.database import Database
from app.db.models import Order
from app.db.url import async_database_url
from app.events.reading import Happened, Interest, read_events
from app.events.timeline import Actor
from app.orders.dismissing import dismiss_duplicates
from app.orders.intake import NewOrder, create_order
from app.orders.resolving import request_resolution
from app.orders.shown import NOTHING_SAID, Shown
from app.queue.signals import Signals
from app.reconciler import Dependencies, Reconciler
from app.schedule import Schedule
from app.secrets import CallbackSecrets, Encryption
from app.states import OrderStatus
from tests.kept_connections import kept_open
from tests.reconciler.rare_looks import RareLooks
from tests.settings import SECRET_KEY
from tests.simulation.reader import Reader
from tests.simulation.sqlite import QuickConnection

ACCOUNT = "acct"
GRACE_SECONDS = 900.0
HOUR = 3600.0
DAY = 24 * HOUR
LOST = NoAnswer("no answer", kind="timeout")

Scripted = TypeVar("Scripted", bound="ScriptedCloudPress")


class SetClock:
    """A clock that a test moves: `time` is what it shows; what it is moved by passes, unless it is a step."""

    boot = "a machine"

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self._stepped = timedelta()

    def step(self, seconds: float) -> None:
        """Have it show another time, although none has passed."""
        self.time += timedelta(seconds=seconds)
        self._stepped += timedelta(seconds=seconds)

    @property
    def true(self) -> datetime:
        """What it would show without the steps."""
        return self.time - self._stepped

    async def now(self, session: AsyncSession, *also: ColumnElement[Any]) -> datetime:
        """Return the set time."""
        assert session.is_active
        if also:
            await session.execute(asking_for_time(*also))
        return self.time

    def uptime(self) -> float:
        """Return what has passed, in seconds."""
        return self.true.timestamp()


@dataclass
class ScriptedCloudPress:
    """Answers as it is told: `script` holds, by request, the exceptions that come first."""

    clock: SetClock
    script: defaultdict[str, list[Exception | None]] = field(default_factory=lambda: defaultdict(list))
    orders_made: dict[str, OrderDetails] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    sites: dict[str, str | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heeds_cancelling: bool = True
    """Whether what it agrees to cancel is cancelled."""
    # Its habits. No page of the provider promises that it has none.
    tidies: Callable[[str], str] = str
    """What it makes of names."""
    spells_account: Callable[[str], str] = str
    spells_variant: Callable[[str], str] = str
    page_size: int = 100
    ignores_pages: bool = False
    hides: Callable[[str], bool] = lambda _order_id: False
    """Which orders its list leaves out."""
    ahead: timedelta = timedelta()
    """How far its clock is ahead."""
    zone: timedelta = timedelta()
    """By how much the times of its orders are told in another zone, without saying so."""

    @property
    def now(self) -> datetime:
        """What its clock shows."""
        return self.clock.true + self.ahead

    def count(self, request: str) -> int:
        """Return how often a request was made."""
        return self.asked.count(request)

    def _next(self, request: str) -> None:
        self.asked.append(request)
        if self.script[request]:
            failure = self.script[request].pop(0)
            if failure is not None:
                raise _afresh(failure)

    def land(self, name: str, *, status: str = "OK") -> str:
        """Make an order, whose task has a status, and return its id. Its task is numbered as it is."""
        number = len(self.orders_made) + 1
        order_id = f"cp-{number}"
        self.orders_made[order_id] = OrderDetails(
            id=order_id,
            status="processing",
            created_at=self.now + self.zone,
            variant=self.spells_variant("vanilla"),
            account_id=self.spells_account(ACCOUNT),
            tasks=(TaskRef(id=number, status=status),),
            site=SiteRef(id=f"site-{number}", name=self.tidies(name)),
        )
        self.tasks[number] = Task(
            id=number,
            status=status,
            order_ids=(order_id,),
            account_ids=(self.spells_account(ACCOUNT),),
            site_ids=(f"site-{number}",),
        )
        self.sites[f"site-{number}"] = self.tidies(name)
        return order_id

    def tell(self, order_id: str, **changes: Any) -> None:
        """Tell an order otherwise from now on."""
        self.orders_made[order_id] = self.orders_made[order_id].model_copy(update=changes)

    def end(self, order_id: str, status: str) -> None:
        """End an order's task."""
        number = int(order_id.removeprefix("cp-"))
        self.tell(order_id, tasks=(TaskRef(id=number, status=status),))
        self.tasks[number] = self.tasks[number].model_copy(update={"status": status})

    def _answer(self, value: Any) -> Answer[Any]:
        return Answer(value, b"{}", self.now)

    async def about(self, *, timeout_seconds: float | None = None) -> Answer[About]:
        """Not asked by the reconciler."""
        raise NotImplementedError

    async def orders(
        self, *, page: int = 1, timeout_seconds: float | None = None
    ) -> Answer[tuple[OrderSummary, ...]]:
        """List the orders."""
        self._next("orders")
        first = 0 if self.ignores_pages else (page - 1) * self.page_size
        shown = [order for order in self.orders_made.values() if not self.hides(order.id)]
        listed = shown[first : first + self.page_size]
        return self._answer(tuple(OrderSummary(**order.model_dump(include=SUMMARY)) for order in listed))

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        """Show an order; what is scripted for `order cp-N` is its own."""
        self._next("order")
        self._next(f"order {order_id}")
        if order_id not in self.orders_made:
            raise NotFound(404)
        return self._answer(self.orders_made[order_id])

    async def task(self, task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]:
        """Show a task; what is scripted for `task N` is its own."""
        self._next("task")
        self._next(f"task {task_id}")
        if task_id not in self.tasks:
            raise NotFound(404)
        return self._answer(self.tasks[task_id])

    async def site(self, site_id: str, *, timeout_seconds: float | None = None) -> Answer[Site]:
        """Show a site; what is scripted for `site site-N` is its own."""
        self._next("site")
        self._next(f"site {site_id}")
        if site_id not in self.sites:
            raise NotFound(404)
        return self._answer(Site(id=site_id, name=self.sites[site_id]))

    async def place(
        self,
        site: SiteOrder,
        *,
        callback_url: str,
        callback_authorization: str,
        timeout_seconds: float | None = None,
    ) -> Answer[Placed]:
        """Make an order, unless the script says what goes wrong before, or after it (`answer`)."""
        self.asked.append(f"place {site.name}")
        self._next("place")
        order_id = self.land(site.name, status="RUNNING")
        self._next("answer")
        [task] = self.orders_made[order_id].tasks
        return self._answer(Placed(order_id=order_id, task=task))

    async def cancel(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[None]:
        """Cancel an order."""
        self._next("cancel")
        if self.heeds_cancelling:
            self.end(order_id, "CANCELLED")
        return Answer(None, b"", self.now)


SUMMARY = {"id", "status", "created_at", "variant", "account_id"}


def _afresh(failure: Exception) -> Exception:
    """Return an equal exception: one that is raised again keeps alive all that it ever passed through."""
    again = type(failure).__new__(type(failure), *failure.args)
    again.__dict__.update(failure.__dict__)
    return again


class Bench:
    """A reconciler that is moved by hand, pass by pass."""

    pace: type[Schedule] = RareLooks

    def __init__(self, database_url: str, provider: Provider | None = None) -> None:
        """Set up on a migrated database; `provider` instead of the scripted one, if it is given."""
        self.database_url = database_url
        self.clock = SetClock()
        self.cloudpress = ScriptedCloudPress(self.clock)
        self._given = provider or self.cloudpress
        self.db = Database(
            async_database_url(database_url),
            Encryption([SECRET_KEY]),
            clock=self.clock,
            connect_sqlite=QuickConnection,
            connect_arguments=kept_open(database_url),
        )
        self.accounts = {ACCOUNT}
        self.dependencies = Dependencies(
            db=self.db,
            providers=self._provider,
            callback_signer=CallbackSecrets([SECRET_KEY]),
            public_url="http://presshook.test",
            schedule=self.pace(120, GRACE_SECONDS),
            lease_seconds=60,
            upstream_timeout_seconds=15,
        )
        self.set(placing=True)

    def use(self, cloudpress: Scripted) -> Scripted:
        """Have another scripted CloudPress from now on; return it."""
        self.cloudpress = self._given = cloudpress
        return cloudpress

    async def _provider(self, account_id: str) -> Provider:
        if account_id not in self.accounts:
            raise UnknownAccountError
        return self._given

    def set(self, **changes: Any) -> None:
        """Start anew with other dependencies."""
        self.dependencies = replace(self.dependencies, **changes)
        self.signals = Signals(self.db)
        self.reconciler = Reconciler(self.dependencies, self.signals)

    async def order(self, name: str = "Shop", *, account: str = ACCOUNT) -> UUID:
        """Accept an order."""
        return (
            await create_order(self.db, NewOrder(account, name, "vanilla", None, None, None, {}), None)
        ).id

    async def store(self, status: OrderStatus) -> UUID:
        """Store an order of a status, due now."""
        order_id = await self.order("Odd")
        async with self.db.write() as tx:
            stored = await tx.session.get_one(Order, order_id)
            stored.status = status
            if status is OrderStatus.PROVISIONING:
                stored.cloudpress_order_id = "cp-1"
        return order_id

    async def complete_one_before(self, seconds: float = HOUR) -> None:
        """Have an order completed before all others, and let time pass."""
        await self.order("Before")
        await self.work()
        self.cloudpress.end("cp-1", "OK")
        await self.work_for(seconds)

    async def complete_one_after(self, seconds: float = 2 * HOUR) -> None:
        """Have an order completed after all others, and let time pass."""
        order_id = await self.order("After")
        await self.work()
        held = (await self.read(order_id)).cloudpress_order_id
        assert held is not None
        self.cloudpress.end(held, "OK")
        await self.work_for(seconds)

    async def order_among_others(
        self, name: str = "Shop", *, others: tuple[str, str] = ("Before", "After")
    ) -> UUID:
        """Accept and send an order between two others, which go well: by those a look-up is proven to see."""
        await self.order(others[0])
        await self.work()
        self.clock.time += timedelta(seconds=60)
        order_id = await self.order(name)
        await self.work()
        self.clock.time += timedelta(seconds=60)
        await self.order(others[1])
        await self.work()
        for held in [it.cloudpress_order_id for it in await self.orders() if it.site_name in others]:
            if held is not None:
                self.cloudpress.end(held, "OK")
        return order_id

    async def known_tasks(self, order_id: UUID) -> list[int]:
        """Return the tasks that are stored of an order."""
        async with self.db.read() as session:
            return sorted(
                await session.scalars(select(models.Task.id).where(models.Task.order_id == order_id))
            )

    async def known_site(self, order_id: UUID) -> str | None:
        """Return the site that is stored of an order."""
        async with self.db.read() as session:
            site = await session.get(models.Site, order_id)
            return site.id if site else None

    async def work(self) -> int:
        """Run a pass over each order that is due now, and return how many those were."""
        claims = (await self.reconciler.claim(100)).claims
        # Which is first of those that are due at the same time is nobody's promise.
        for claim in sorted(claims, key=lambda it: it.row.id):
            await self.reconciler.work(claim)
        return len(claims)

    async def work_together(self) -> None:
        """Run a pass over each order that is due, all at the same time, until none is."""
        is_more_due = True
        while is_more_due:
            claimed = await self.reconciler.claim(100)
            is_more_due = claimed.is_more_due
            await asyncio.gather(*(self.reconciler.work(claim) for claim in claimed.claims))

    async def work_for(self, seconds: float) -> None:
        """Let time pass, and run each pass when it is due."""
        end, passes = self.clock.time + timedelta(seconds=seconds), 0
        # Asked before each pass; the service's own engine would take a tenth of all the time for it.
        with closing(Reader(self.database_url)) as reader:
            while (due := min(reader.due_times(), default=None)) is not None and due <= end:
                self.clock.time = max(self.clock.time, due)
                assert await self.work(), "what is due can be claimed"
                passes += 1
                assert passes < 3000, "an order goes round and round"
        self.clock.time = end

    async def skim(self, seconds: float) -> None:
        """Let a long time pass: run each pass of its first hour and of its last, and few between.

        As where no process runs but for a moment every four hours.
        """
        end = self.clock.time + timedelta(seconds=seconds - HOUR)
        await self.work_for(HOUR)
        while self.clock.time < end:
            self.clock.time = min(end, self.clock.time + timedelta(seconds=4 * HOUR))
            await self.work_for(0)
        await self.work_for(HOUR)

    async def say(self, order_id: UUID, word: str, *, by: Actor, shown: Shown = NOTHING_SAID) -> None:
        """Have an operator decide about an order: `place_again`, `fail` or `dismiss_duplicates`."""
        if word == "dismiss_duplicates":
            await dismiss_duplicates(self.db, order_id, by=by, shown=shown)
        else:
            await request_resolution(
                self.db, order_id, action=word, cloudpress_order_id=None, by=by, shown=shown
            )

    async def read(self, order_id: UUID) -> Order:
        """Return an order as it is stored."""
        async with self.db.read() as session:
            return await session.get_one(Order, order_id)

    async def orders(self) -> list[Order]:
        """Return all orders, as they were accepted."""
        async with self.db.read() as session:
            return list(await session.scalars(select(Order).order_by(Order.id)))

    async def events(self, order_id: UUID, kind: str | None = None) -> list[Happened]:
        """Return an order's events, or those of one type."""
        types = frozenset({kind}) if kind else None
        async with self.db.read() as session:
            found = await read_events(session, Interest(order_id, types=types), after=0)
        return list(found)
