"""A seeded CloudPress: requests land early, late or not at all, whatever becomes of who sent them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
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
from tests.simulation.habits import PLACID, Habits

T = TypeVar("T")
VERY_LATE_SECONDS = 1800
MEDDLING_SECONDS = 4 * 3600
HIDDEN_SECONDS = (1.0, 60.0, 600.0)
HOURS_SECONDS = (1800.0, 7200.0, 4 * 3600.0)
STEADY = "Steady"
"""Begins the names of sites whose orders go well in a placid world: they are the witnesses there."""
REJECTIONS = (400, 402, 409, 422)
HARMLESS_REDIRECTS = (301, 307, 308)
PROXY_STATUSES = (400, 401, 403, 404, 407, 413, 422, 429, 503)
"""What a proxy may say of its own accord, also of an answer of CloudPress that it did not like."""
VAGUE_REDIRECTS = (302, 303, 300, 305)
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
    number: int
    local_id: UUID | None
    callback: tuple[str, str] | None
    name: str
    """As CloudPress keeps it."""
    variant: str
    account: str
    created_at: datetime
    task_id: int
    task_status: str = "PENDING"
    payment_url: str | None = None
    site_id: str | None = None
    sent_at: datetime | None = None
    """When the attempt that made it was committed."""
    task_ids: set[int] = field(default_factory=set)
    """All that its task was ever numbered."""
    site_ids: set[str] = field(default_factory=set)
    is_gone: bool = False
    """Whether CloudPress was restored from a backup without it."""
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
        return not self.is_gone and self.task_status not in {"CANCELLED", "FAILED"}

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
    habits: Habits
    began_at: datetime
    posted: Callable[[UUID, SiteOrder], None]
    """Told once a request was let out, so that others may act at that very moment."""
    note: Callable[[str], None]
    listed_page: Callable[[int, int], None]
    """Told of each page that is asked for, and how many orders there are."""
    orders: dict[str, MadeOrder] = field(default_factory=dict)
    answered: list[tuple[UUID, datetime, Callable[[], bool]]] = field(default_factory=list)
    """The requests that ended: of which order, sent when, and whether the sender has crashed since."""
    working: set[asyncio.Task[None]] = field(default_factory=set)
    asked_for_late: dict[UUID, asyncio.Event] = field(default_factory=dict)
    """By order, what makes a request land that is on its way yet."""
    next_task_id: int = 1000
    refusing_since: datetime | None = None
    """Since when orders are refused for ever, in a world that does so."""

    def is_refusing(self, now: datetime) -> bool:
        """Tell whether every order is refused by now."""
        return self.refusing_since is not None and now >= self.refusing_since

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
            number=len(self.orders) + 1,
            local_id=UUID(callback[0].rpartition("/")[2]) if callback else None,
            callback=callback,
            name=self.habits.tidied(site.name),
            variant=site.variant,
            account=account,
            created_at=self.now() - timedelta(days=days_ago),
            task_id=self.next_task_id,
            sent_at=sent_at,
            hidden_until=self.now() + timedelta(seconds=random.choice(HIDDEN_SECONDS)) if hidden else None,
            tells_age=not (reticent and random.random() < 0.3),
            tells_variant=not (reticent and random.random() < 0.3),
            names_site=not (reticent and random.random() < 0.6),
            site_is_named=not (reticent and random.random() < 0.2),
        )
        self.next_task_id += 1
        made.task_ids.add(made.task_id)
        self.orders[made.id] = made
        if random.random() < chaos.unpaid:
            made.payment_url = f"https://pay.example/{made.id}"
        self.spawn(self._run(made))
        self.note(f"CloudPress makes {made.id} for {made.local_id}, task {made.task_id}: {made.name!r}")
        self.changed()
        return made

    def told_time(self, moment: datetime) -> datetime:
        """Return a moment as CloudPress's own clock tells it."""
        ahead = self.habits.ahead_seconds(moment - self.began_at)
        return moment + timedelta(seconds=self.chaos.skew_seconds + ahead)

    def date(self) -> datetime | None:
        """Return what an answer's `Date` says."""
        dateless = self.random.random() < self.chaos.dateless
        return None if dateless else self.told_time(self.now()).replace(microsecond=0)

    def summary(self, made: MadeOrder) -> dict[str, Any]:
        """Return what the list tells of an order."""
        return {
            "id": made.id,
            "status": made.status,
            "created_at": self.habits.created_at(self.told_time(made.created_at), made.number)
            if made.tells_age
            else None,
            "variant": self.habits.variant(made.variant) if made.tells_variant else None,
            "account_id": self.habits.account(made.account),
        }

    def restore(self, lost_seconds: float) -> list[str]:
        """Restore CloudPress from a backup: the newest orders are gone, their tasks' numbers come again."""
        since = self.now() - timedelta(seconds=lost_seconds)
        lost = [made for made in self.orders.values() if made.created_at >= since and not made.is_gone]
        for made in lost:
            made.is_gone = True
        self.next_task_id = min((made.task_id for made in lost), default=self.next_task_id)
        self.changed()
        return [made.id for made in lost]

    def renumber(self) -> None:
        """Give every task the number that the next one had."""
        living = [made for made in self.orders.values() if not made.is_gone]
        numbers = [made.task_id for made in living]
        for made, number in zip(living, numbers[1:] + numbers[:1], strict=True):
            made.task_id = number
            made.task_ids.add(number)
        self.changed()

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
        if self.habits.are_on and random.random() < 0.5:
            self._link_site(made)
        await asyncio.sleep(random.choice([0, 1, 30, 600, *([1800] if self.habits.are_on else [])]))
        if made.task_status == "CANCELLED" or made.is_gone:
            return
        ends = ["OK"] if PLACID in self.habits else ["OK"] * 8 + ["FAILED", "CANCELLED"]
        made.task_status = random.choice(ends)
        if made.task_status == "OK" and made.site_id is None:
            if random.random() < 0.3:
                await asyncio.sleep(random.choice([1, 60]))
            self._link_site(made)
        await self.send_callback(made)

    @staticmethod
    def _link_site(made: MadeOrder) -> None:
        """Link a site, which one that was lost may have been numbered as."""
        # By what is never numbered anew: two orders have no site in common.
        made.site_id = f"site-{made.number}"
        made.site_ids.add(made.site_id)


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
        stand_still: Callable[[float], None],
    ) -> None:
        """Be asked by one replica.

        `thawed` waits while that one stands still, `stand_still` has it do so; `placing` lets it order.
        """
        self._truth = truth
        self._account = account
        self._timeout_seconds = timeout_seconds
        self._is_crashed = is_crashed
        self._thawed = thawed
        self._placing = placing
        self._stand_still = stand_still

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
                    raise self._refused(503, retry_after_seconds=self._retry_after_seconds([None, 5]))
                case 3:
                    raise self._refused(429, retry_after_seconds=self._retry_after_seconds([1, 30]))
                case 4:
                    raise BadAnswer("html", kind="not_json")
                case _:
                    raise NotFound(404)
        return Answer(answered, b"{}", truth.date())

    def _retry_after_seconds(self, usual: list[Any]) -> float | None:
        """Draw how long we are asked to leave CloudPress alone; in some worlds for hours."""
        random, habits = self._truth.random, self._truth.habits
        if ("retry_after" in habits or "meddling" in habits) and random.random() < 0.5:
            usual = [seconds for seconds in HOURS_SECONDS if seconds >= habits.lowest_retry_after]
        seconds: float | None = random.choice(usual)
        return seconds

    def _refused(
        self, status: int, errors: tuple[str, ...] = ("no",), retry_after_seconds: float | None = None
    ) -> Refused:
        """Return a refusal in CloudPress's own form."""
        return Refused(
            status,
            errors,
            retry_after_seconds,
            is_own_form=True,
            is_known_host=True,
            date=self._truth.date(),
        )

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
            raise self._refused(422, ("not in progress",))
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
            truth = self._truth
            mine = [
                made for made in truth.orders.values() if made.account == self._account and not made.is_gone
            ]
            truth.listed_page(page, len(mine))
            page_of_mine = truth.habits.listed(mine, page, truth.chaos.page, truth.now())
            if truth.habits.are_on:
                truth.note(f"page {page} of the list: {' '.join(made.id for made in page_of_mine)}")
            return tuple(OrderSummary(**truth.summary(made)) for made in page_of_mine)

        return await self._answer(value, timeout_seconds)

    def _find(self, found: MadeOrder | None) -> MadeOrder:
        if (
            found is None
            or found.is_gone
            or (found.hidden_until is not None and self._truth.now() < found.hidden_until)
        ):
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
            living = (made for made in orders if not made.is_gone)
            made = self._find(next((made for made in living if made.task_id == task_id), None))
            return Task(
                id=task_id,
                status=made.task_status,
                site_ids=(made.site_id,) if made.site_id else (),
                order_ids=(made.id,),
                account_ids=(self._truth.habits.account(made.account),),
            )

        return await self._answer(value, timeout_seconds)

    async def site(self, site_id: str, *, timeout_seconds: float | None = None) -> Answer[Site]:
        """Show a site."""

        def value() -> Site:
            orders = self._truth.orders.values()
            living = (made for made in orders if not made.is_gone)
            made = self._find(next((made for made in living if made.site_id == site_id), None))
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
        self._truth.note(f"{order_id} is sent")
        self._truth.posted(order_id, site)
        try:
            return await self._place(site, (callback_url, callback_authorization), sent_at)
        finally:
            self._truth.answered.append((order_id, sent_at, self._is_crashed))

    async def _place(self, site: SiteOrder, callback: tuple[str, str], sent_at: datetime) -> Answer[Placed]:
        truth, random = self._truth, self._truth.random
        kind = self._draw_kind(site)
        truth.note(f"what becomes of it: {kind}")
        await asyncio.sleep(random.choice([0, 0.01, 0.5]))
        await self._thawed()
        if self._is_crashed():
            raise NotSent("crashed", kind="crashed")
        self._refuse(kind)
        if kind == "very_late":
            truth.spawn(self._land_late(site, callback, sent_at))
            await asyncio.sleep(self._timeout_seconds)
            raise NoAnswer("timeout", kind="timeout")
        # Once it is on its way it lands, also if the sender dies meanwhile.
        landed: asyncio.Future[MadeOrder] = asyncio.get_running_loop().create_future()
        truth.spawn(self._land(site, callback, sent_at, landed))
        made = await landed
        if kind == "read_late":
            self._stand_still(random.choice([30.0, 400.0, 2000.0]))
        await asyncio.sleep(random.choice([0, 0.01, 0.5, 3]))
        await self._thawed()
        if kind in SPOILT:
            error = SPOILT[kind]()
            raise error
        if kind == "redirected":
            raise Refused(random.choice(VAGUE_REDIRECTS))
        if kind == "hidden_by_proxy":
            # Varnish names a time where its backend broke off, whatever that had done by then.
            after = random.choice([None, 5.0])
            status = 503 if after else random.choice(PROXY_STATUSES)
            raise Refused(status, ("Forbidden",), after, is_known_host=random.random() < 0.5)
        if kind == "oddly_redirected":
            raise Refused(random.choice(HARMLESS_REDIRECTS))
        if kind == "read_late" and random.random() < 0.3:
            raise NoAnswer("timeout", kind="timeout")
        if kind == "anothers":
            made = self._anothers(made)
        placed = Placed(
            order_id=made.id,
            order_status=made.status,
            task=TaskRef(id=made.task_id, status=made.task_status),
            payment_url=made.payment_url,
        )
        return Answer(placed, b"{}", truth.date())

    def _draw_kind(self, site: SiteOrder) -> str:
        """Draw what becomes of a request."""
        truth, random = self._truth, self._truth.random
        habits = truth.habits
        if "refusals" in habits and truth.is_refusing(truth.now()) and random.random() < 0.9:
            return "refused_on"
        if truth.chaos.calm or (PLACID in habits and site.name.startswith(STEADY)):
            return "well"
        if "redirects" in habits and random.random() < 0.4:
            return random.choice(["redirected", "redirected_before"])
        if "odd_redirects" in habits and random.random() < 0.4:
            return "oddly_redirected"
        if "proxies" in habits and random.random() < 0.4:
            return "hidden_by_proxy"
        if "late_answers" in habits and random.random() < 0.4:
            return "read_late"
        kinds = truth.chaos.placements
        return random.choices(list(kinds), list(kinds.values()))[0]

    def _refuse(self, kind: str) -> None:
        """Raise what a request ends with that makes no order.

        Raises:
            CloudPressError: that is.
        """
        random, habits = self._truth.random, self._truth.habits
        match kind:
            case "not_sent":
                raise NotSent("refused", kind="connect")
            case "held_off":
                statuses = [401, 403, 429] if habits.are_on else [401, 403, 302, 429]
                raise self._refused(
                    random.choice(statuses), retry_after_seconds=self._retry_after_seconds([None, 5])
                )
            case "refused_on":
                raise self._refused(habits.refusal, ("not you",), retry_after_seconds=habits.refusing_seconds)
            case "rejected":
                raise self._refused(random.choice(REJECTIONS), ("no",))
            case "redirected_before":
                raise Refused(random.choice([*HARMLESS_REDIRECTS, *VAGUE_REDIRECTS]))
            case "failed":
                raise Refused(random.choice([500, 502, 503]))

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
        truth = self._truth
        within = truth.random.choice([truth.grace_seconds, VERY_LATE_SECONDS])
        if "meddling" in truth.habits:
            within = MEDDLING_SECONDS
        asked_for = truth.asked_for_late.setdefault(UUID(callback[0].rpartition("/")[2]), asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(truth.random.uniform(0, within)):
                await asked_for.wait()
        truth.make(site, self._account, callback, sent_at=sent_at)
