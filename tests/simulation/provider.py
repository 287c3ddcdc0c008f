"""A seeded CloudPress: requests land early, late or not at all, whatever becomes of who sent them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from app.cloudpress import (
    About,
    Answer,
    BadAnswer,
    CloudPressError,
    NoAnswer,
    NotFound,
    NotSent,
    OrderDetails,
    OrderSummary,
    Placed,
    Refused,
    Site,
    SiteOrder,
    SiteRef,
    Task,
    TaskRef,
)

T = TypeVar("T")
VERY_LATE_SECONDS = 1800
HIDDEN_SECONDS = (1.0, 60.0, 600.0)
# What becomes of the answer to an order that was made.
SPOILT: dict[str, Callable[[], CloudPressError]] = {
    "lost": lambda: NoAnswer("reset", kind="disconnect"),
    "failed_after": lambda: Refused(502),
    "garbled": lambda: BadAnswer("html", kind="not_json"),
}


@dataclass
class MadeOrder:
    """An order that CloudPress has, and whose it truly is."""

    id: str
    local_id: UUID | None
    callback: tuple[str, str] | None
    name: str
    variant: str
    account: str
    created_at: datetime
    task_id: int
    task_status: str = "PENDING"
    payment_url: str | None = None
    site_id: str | None = None
    sent_at: datetime | None = None
    """When the attempt that made it was committed."""
    hidden_until: datetime | None = None
    """Until then it is listed, but neither it nor its task or its site can be read."""
    tells_age: bool = True
    tells_variant: bool = True
    names_site: bool = True
    """Whether the order tells its site's name."""
    site_is_named: bool = True
    """Whether the site itself does."""

    @property
    def is_alive(self) -> bool:
        """Whether it costs money."""
        return self.task_status not in {"CANCELLED", "FAILED"}

    @property
    def status(self) -> str:
        """Its status."""
        after = {"OK": "completed", "FAILED": "failed", "CANCELLED": "cancelled"}
        return after.get(self.task_status, "awaiting_payment" if self.payment_url else "processing")


@dataclass
class Chaos:
    """How much goes wrong, as shares of requests; `calm` ends it."""

    read_failures: float
    placements: dict[str, float]
    callback_loss: float
    unpaid: float
    reticence: float
    """The share of orders of which something is not told."""
    hiding: float
    """The share of orders that cannot be read for a while."""
    skew_seconds: float
    """How far CloudPress's clock is ahead."""
    dateless: float
    """The share of answers without a `Date`."""
    page: int
    """How many orders a page of the list holds."""
    calm: bool = False


@dataclass
class CloudPressTruth:
    """What CloudPress really has. Who asks is not believed, and may be dead when the answer comes."""

    random: Random
    chaos: Chaos
    now: Callable[[], datetime]
    send_callback: Callable[[MadeOrder], Awaitable[None]]
    grace_seconds: float
    before_post: Callable[[UUID, bool], datetime]
    """Told of each request to place an order, and whether its replica may; returns when it was committed."""
    changed: Callable[[], None]
    held_by_another: Callable[[UUID], str | None]
    """Tells a CloudPress order that another local order than the given one holds."""
    orders: dict[str, MadeOrder] = field(default_factory=dict)
    answered: list[tuple[UUID, datetime, Callable[[], bool]]] = field(default_factory=list)
    """The requests that ended: of which order, sent when, and whether the sender has crashed since."""
    working: set[asyncio.Task[None]] = field(default_factory=set)

    def spawn(self, work: Any) -> None:
        """Run something of CloudPress's own."""
        task = asyncio.get_running_loop().create_task(work)
        self.working.add(task)
        task.add_done_callback(self.working.discard)

    def make(
        self,
        site: SiteOrder,
        account: str,
        callback: tuple[str, str] | None,
        *,
        sent_at: datetime | None = None,
        days_ago: float = 0,
    ) -> MadeOrder:
        """Make an order, and let its task run."""
        random, chaos = self.random, self.chaos
        hidden = random.random() < chaos.hiding
        reticent = random.random() < chaos.reticence
        made = MadeOrder(
            id=f"cp-{len(self.orders) + 1}",
            local_id=UUID(callback[0].rpartition("/")[2]) if callback else None,
            callback=callback,
            name=site.name,
            variant=site.variant,
            account=account,
            created_at=self.now() - timedelta(days=days_ago),
            task_id=1000 + len(self.orders),
            sent_at=sent_at,
            hidden_until=self.now() + timedelta(seconds=random.choice(HIDDEN_SECONDS)) if hidden else None,
            tells_age=not (reticent and random.random() < 0.3),
            tells_variant=not (reticent and random.random() < 0.3),
            names_site=not (reticent and random.random() < 0.6),
            site_is_named=not (reticent and random.random() < 0.2),
        )
        self.orders[made.id] = made
        if random.random() < chaos.unpaid:
            made.payment_url = f"https://pay.example/{made.id}"
        self.spawn(self._run(made))
        self.changed()
        return made

    def told_time(self, moment: datetime) -> datetime:
        """Return a moment as CloudPress's own clock tells it."""
        return moment + timedelta(seconds=self.chaos.skew_seconds)

    def date(self) -> datetime | None:
        """Return what an answer's `Date` says."""
        dateless = self.random.random() < self.chaos.dateless
        return None if dateless else self.told_time(self.now()).replace(microsecond=0)

    def summary(self, made: MadeOrder) -> dict[str, Any]:
        """Return what the list tells of an order."""
        return {
            "id": made.id,
            "status": made.status,
            "created_at": self.told_time(made.created_at) if made.tells_age else None,
            "variant": made.variant if made.tells_variant else None,
            "account_id": made.account,
        }

    async def _run(self, made: MadeOrder) -> None:
        random = self.random
        if made.payment_url:
            await asyncio.sleep(random.choice([60, 900, 2 * 3600]))
            if made.task_status == "CANCELLED":
                return
            made.payment_url = None
            if random.random() < 0.2:
                made.task_status = "CANCELLED"
                await self.send_callback(made)
                return
        made.task_status = random.choice(["RUNNING", "running", "PAUSED", "NEW-TO-US"])
        await asyncio.sleep(random.choice([0, 1, 30, 600]))
        if made.task_status == "CANCELLED":
            return
        made.task_status = random.choices(["OK", "FAILED", "CANCELLED"], [8, 1, 1])[0]
        if made.task_status == "OK":
            if random.random() < 0.3:
                await asyncio.sleep(random.choice([1, 60]))
            made.site_id = f"site-{made.id}"
        await self.send_callback(made)


class SimulatedCloudPress:
    """What one replica has of CloudPress: the client's interface, and its errors."""

    def __init__(
        self,
        truth: CloudPressTruth,
        account: str,
        timeout_seconds: float,
        is_crashed: Callable[[], bool],
        thawed: Callable[[], Awaitable[None]],
        *,
        placing: bool,
    ) -> None:
        """Be asked by one replica; `thawed` waits while that one stands still, `placing` lets it order."""
        self._truth = truth
        self._account = account
        self._timeout_seconds = timeout_seconds
        self._is_crashed = is_crashed
        self._thawed = thawed
        self._placing = placing

    async def _answer(self, value: Callable[[], T], timeout_seconds: float | None) -> Answer[T]:
        truth = self._truth
        limit = min(self._timeout_seconds, timeout_seconds or self._timeout_seconds)
        if timeout_seconds is not None and timeout_seconds <= 0:
            raise NotSent("no time", kind="no_time")
        await asyncio.sleep(truth.random.choice([0, 0.01, 0.3]))
        answered = value()
        await self._thawed()
        if not truth.chaos.calm and truth.random.random() < truth.chaos.read_failures:
            match truth.random.randrange(6):
                case 0:
                    await asyncio.sleep(limit)
                    raise NoAnswer("timeout", kind="timeout")
                case 1:
                    raise NotSent("refused", kind="connect")
                case 2:
                    raise Refused(503, retry_after_seconds=truth.random.choice([None, 5]))
                case 3:
                    raise Refused(429, retry_after_seconds=truth.random.choice([1, 30]))
                case 4:
                    raise BadAnswer("html", kind="not_json")
                case _:
                    raise NotFound(404)
        return Answer(answered, b"{}", truth.date())

    async def about(self, *, timeout_seconds: float | None = None) -> Answer[About]:
        """Not asked by the reconciler."""
        raise NotImplementedError

    async def cancel(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[None]:
        """Cancel an order that is in progress; the answer may be lost."""
        truth, random = self._truth, self._truth.random
        await asyncio.sleep(random.choice([0, 0.01, 0.3]))
        await self._thawed()
        if self._is_crashed():
            raise NotSent("crashed", kind="crashed")
        made = self._find(truth.orders.get(order_id))
        failing = not truth.chaos.calm and random.random() < truth.chaos.read_failures
        if failing and random.random() < 0.5:
            raise random.choice([NotSent("refused", kind="connect"), Refused(500)])
        if made.task_status in {"OK", "FAILED", "CANCELLED"} or random.random() < 0.1:
            raise Refused(422, ("not in progress",))
        made.task_status, made.payment_url = "CANCELLED", None
        truth.spawn(truth.send_callback(made))
        if failing:
            raise NoAnswer("reset", kind="disconnect")
        truth.changed()
        return Answer(None, b"", truth.date())

    async def orders(
        self, *, page: int = 1, timeout_seconds: float | None = None
    ) -> Answer[tuple[OrderSummary, ...]]:
        """List the account's orders."""

        def value() -> tuple[OrderSummary, ...]:
            mine = [made for made in self._truth.orders.values() if made.account == self._account]
            size = self._truth.chaos.page
            page_of_mine = mine[(page - 1) * size : page * size]
            return tuple(OrderSummary(**self._truth.summary(made)) for made in page_of_mine)

        return await self._answer(value, timeout_seconds)

    def _find(self, found: MadeOrder | None) -> MadeOrder:
        if found is None or (found.hidden_until is not None and self._truth.now() < found.hidden_until):
            raise NotFound(404)
        return found

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        """Show an order."""

        def value() -> OrderDetails:
            made = self._find(self._truth.orders.get(order_id))
            name = made.name if made.names_site else None
            return OrderDetails(
                **self._truth.summary(made),
                payment_url=made.payment_url,
                tasks=(TaskRef(id=made.task_id, status=made.task_status),),
                site=SiteRef(id=made.site_id, name=name) if made.site_id else None,
            )

        return await self._answer(value, timeout_seconds)

    async def task(self, task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]:
        """Show a task."""

        def value() -> Task:
            orders = self._truth.orders.values()
            made = self._find(next((made for made in orders if made.task_id == task_id), None))
            return Task(
                id=task_id,
                status=made.task_status,
                site_ids=(made.site_id,) if made.site_id else (),
                order_ids=(made.id,),
                account_ids=(made.account,),
            )

        return await self._answer(value, timeout_seconds)

    async def site(self, site_id: str, *, timeout_seconds: float | None = None) -> Answer[Site]:
        """Show a site."""

        def value() -> Site:
            orders = self._truth.orders.values()
            made = self._find(next((made for made in orders if made.site_id == site_id), None))
            return Site(id=site_id, name=made.name if made.site_is_named else None)

        return await self._answer(value, timeout_seconds)

    async def place(
        self,
        site: SiteOrder,
        *,
        callback_url: str,
        callback_authorization: str,
        timeout_seconds: float | None = None,
    ) -> Answer[Placed]:
        """Take an order. Once it is sent it may land whatever becomes of who sent it."""
        order_id = UUID(callback_url.rpartition("/")[2])
        sent_at = self._truth.before_post(order_id, self._placing)
        try:
            return await self._place(site, (callback_url, callback_authorization), sent_at)
        finally:
            self._truth.answered.append((order_id, sent_at, self._is_crashed))

    async def _place(self, site: SiteOrder, callback: tuple[str, str], sent_at: datetime) -> Answer[Placed]:
        truth, random = self._truth, self._truth.random
        kinds = {"well": 1.0} if truth.chaos.calm else truth.chaos.placements
        kind = random.choices(list(kinds), list(kinds.values()))[0]
        await asyncio.sleep(random.choice([0, 0.01, 0.5]))
        await self._thawed()
        if self._is_crashed():
            raise NotSent("crashed", kind="crashed")
        match kind:
            case "not_sent":
                raise NotSent("refused", kind="connect")
            case "held_off":
                raise Refused(
                    random.choice([401, 403, 302, 429]), retry_after_seconds=random.choice([None, 5])
                )
            case "rejected":
                raise Refused(random.choice([400, 402, 409, 422]), ("no",))
            case "failed":
                raise Refused(random.choice([500, 502, 503]))
            case "very_late":
                truth.spawn(self._land_late(site, callback, sent_at))
                await asyncio.sleep(self._timeout_seconds)
                raise NoAnswer("timeout", kind="timeout")
        # Once it is on its way it lands, also if the sender dies meanwhile.
        landed: asyncio.Future[MadeOrder] = asyncio.get_running_loop().create_future()
        truth.spawn(self._land(site, callback, sent_at, landed))
        made = await landed
        await asyncio.sleep(random.choice([0, 0.01, 0.5, 3]))
        await self._thawed()
        if kind in SPOILT:
            error = SPOILT[kind]()
            raise error
        if kind == "anothers":
            made = self._anothers(made)
        placed = Placed(
            order_id=made.id,
            order_status=made.status,
            task=TaskRef(id=made.task_id, status=made.task_status),
            payment_url=made.payment_url,
        )
        return Answer(placed, b"{}", truth.date())

    def _anothers(self, made: MadeOrder) -> MadeOrder:
        """Return an order that another local order holds, if there is one."""
        other = self._truth.held_by_another(made.local_id) if made.local_id else None
        return self._truth.orders[other] if other else made

    async def _land(
        self,
        site: SiteOrder,
        callback: tuple[str, str],
        sent_at: datetime,
        landed: asyncio.Future[MadeOrder],
    ) -> None:
        await asyncio.sleep(self._truth.random.choice([0, 0.01, 2]))
        made = self._truth.make(site, self._account, callback, sent_at=sent_at)
        if not landed.done():
            landed.set_result(made)

    async def _land_late(self, site: SiteOrder, callback: tuple[str, str], sent_at: datetime) -> None:
        within = self._truth.random.choice([self._truth.grace_seconds, VERY_LATE_SECONDS])
        await asyncio.sleep(self._truth.random.uniform(0, within))
        self._truth.make(site, self._account, callback, sent_at=sent_at)
