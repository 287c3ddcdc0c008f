"""The strict rules: never twice, and nobody holds another's, whatever CloudPress and the clocks are like.

They judge by what truly is and truly happened, in true time, and know what our service could have known.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from app.states import OrderStatus
from tests.simulation.provider import REJECTIONS, CloudPressTruth, MadeOrder
from tests.simulation.reader import Reader
from tests.simulation.times import Times

# A look-up that was under way when something landed may have missed it; what came in before that may not
# be missed.
LOOK_SPAN = timedelta(minutes=15)
WITNESS_SPAN = timedelta(minutes=30)
A_DAY = timedelta(hours=25)
"""A day, and what a retry may take beyond it."""
NUMBER = re.compile(rb"[0-9]+")
PAGES_TOO_MANY = 20
HELD_UP = timedelta(minutes=31)
"""How much longer than it was meant to an order may wait because our clock stepped back.

A step of half an hour is seen by nobody while all sleep until it is made up for.
"""


@dataclass
class Wish:
    """An operator's word to place an order again, and what he knew when he gave it."""

    at: datetime
    known: set[str]


@dataclass
class Sending:
    """A request to place an order, in true time."""

    intended_at: datetime
    posted_at: datetime
    is_wished: bool


@dataclass
class Rules:
    """What is judged at each request, after each commit, and at the end."""

    reader: Reader
    truth: CloudPressTruth
    times: Times
    grace_seconds: float
    lease_seconds: float
    violate: Callable[[str], NoReturn]
    wishes: dict[UUID, Wish] = field(default_factory=dict)
    callbacks: defaultdict[UUID, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    """By order, when its callbacks were let in."""
    named: defaultdict[UUID, dict[int, datetime]] = field(default_factory=lambda: defaultdict(dict))
    """By order, the tasks that they named, and when first."""
    sendings: defaultdict[UUID, list[Sending]] = field(default_factory=lambda: defaultdict(list))
    due: dict[UUID, tuple[datetime, datetime]] = field(default_factory=dict)
    """By order, when it is due by our clock, and when that truly was meant to be."""
    counts: Counter[str] = field(default_factory=Counter)
    """Of lives that could not go well, and why: what nobody could have known is no fault."""

    @property
    def are_on(self) -> bool:
        """Whether this world is judged strictly."""
        return self.truth.habits.are_on

    def let_in(self, order_id: UUID, body: bytes) -> None:
        """Note that a callback was let in for an order."""
        self.callbacks[order_id].append(self.times.true())
        for number in NUMBER.findall(body):
            self.named[order_id].setdefault(int(number), self.times.true())

    def forget(self, since: datetime) -> None:
        """Note that what callbacks named since then is lost by nature."""
        for order_id, named in self.named.items():
            self.named[order_id] = {number: at for number, at in named.items() if at < since}

    def was_named(self, order_id: UUID) -> bool:
        """Tell whether a callback of an order named a task of its own that lives."""
        own = {number for made in self.made_for(order_id) if made.is_alive for number in made.task_ids}
        return bool(own & self.named[order_id].keys())

    def was_renumbered(self, order_id: UUID, made: MadeOrder, lies: set[int]) -> bool:
        """Tell whether a callback named a task by a number that another order's has by now.

        The number was the order's own then, or one of the `lies` that were told of it and meant another task.
        """
        own = {number for it in self.made_for(order_id) for number in it.task_ids}
        was_given_anew = len(made.task_ids) > 1
        return made.task_id in self.named[order_id].keys() & own or (was_given_anew and made.task_id in lies)

    def wished(self, order_id: UUID, known: set[str]) -> None:
        """Note that an operator wished an order to be placed again, knowing of some CloudPress orders."""
        self.wishes[order_id] = Wish(self.times.true(), known)

    def made_for(self, order_id: UUID) -> list[MadeOrder]:
        """Return the CloudPress orders that were truly made for an order."""
        return [made for made in self.truth.orders.values() if made.local_id == order_id]

    # --- at each request ----------------------------------------------------------------------------

    def listed_page(self, page: int, orders: int) -> None:
        """Check that the list is not read on for ever."""
        if self.are_on and page > orders + PAGES_TOO_MANY:
            self.violate(f"page {page} is asked for of a list of {orders} orders")

    def before_post(self, order_id: UUID, attempts: list[dict[str, Any]]) -> None:
        """Check that an order may be sent (once more)."""
        if not self.are_on:
            return
        now = self.times.true()
        intended_at = self.times.true_of(attempts[-1]["sent_at"])
        late = (now - intended_at).total_seconds() - self.lease_seconds
        if late > 0:
            self.violate(f"{order_id} is sent {late:.0f} s after its lease ran out")
        wish = self.wishes.get(order_id)
        if wish is not None and any(
            sending.is_wished and sending.posted_at > wish.at and self._may_have_landed(sending, attempts)
            for sending in self.sendings[order_id]
        ):
            wish = None  # it was carried out
        living = [made for made in self.made_for(order_id) if made.is_alive]
        if wish is None:
            self._check_grace(order_id, attempts, now)
            self._check_unasked(order_id, attempts, living, now)
        else:
            self._check_wished(order_id, wish, living, now)
        self.sendings[order_id].append(Sending(intended_at, now, wish is not None))

    def _may_have_landed(self, sending: Sending, attempts: list[dict[str, Any]]) -> bool:
        row = next((it for it in attempts if self.times.true_of(it["sent_at"]) == sending.intended_at), None)
        return row is None or row["outcome"] not in {"not_sent", "held_off"}

    def _check_unasked(
        self, order_id: UUID, attempts: list[dict[str, Any]], living: list[MadeOrder], now: datetime
    ) -> None:
        refused = [it["http_status"] for it in attempts if it["outcome"] is not None]
        if any(status in {*REJECTIONS, 404} for status in refused):
            self.violate(f"{order_id} is sent again though CloudPress refused it for good, and nobody asked")
        created_at = self.times.true_of(self.reader.orders()[order_id]["created_at"])
        if now - created_at > A_DAY:
            self.violate(f"{order_id} is sent {now - created_at} after it was accepted, and nobody asked")
        if not living:
            return
        if self._is_beyond_knowing(order_id, living, now):
            self.counts["beyond_knowing"] += 1
            return
        self.violate(f"{order_id} is sent again though CloudPress has {[made.id for made in living]}")

    def _check_grace(self, order_id: UUID, attempts: list[dict[str, Any]], now: datetime) -> None:
        """Check that the grace of an attempt that may have landed has truly passed."""
        grace = timedelta(seconds=self.grace_seconds)
        for sending in self.sendings[order_id]:
            if now < sending.intended_at + grace and self._may_have_landed(sending, attempts):
                self.violate(f"{order_id} is sent again {now - sending.intended_at} after it was sent")

    def _check_wished(self, order_id: UUID, wish: Wish, living: list[MadeOrder], now: datetime) -> None:
        unknown = [made for made in living if made.id not in wish.known]
        called_back = [at for at in self.callbacks[order_id] if wish.at < at < now]
        if unknown and called_back:
            self.violate(f"{order_id} is sent again though a callback came in after the operator's word")
        shown = [made for made in unknown if self._was_shown(made, now)]
        if shown:
            self.violate(
                f"{order_id} is sent again by an old word though CloudPress lists {[it.id for it in shown]}"
            )

    def _was_shown(self, made: MadeOrder, now: datetime) -> bool:
        """Tell whether an order has been listed for long enough to be seen."""
        habits = self.truth.habits
        before = now - LOOK_SPAN
        return (
            made.created_at <= before
            and habits.is_listed(made, before)
            and "clamps" not in habits
            and not (made.hidden_until is not None and made.hidden_until > before)
        )

    def _is_beyond_knowing(self, order_id: UUID, living: list[MadeOrder], now: datetime) -> bool:
        """Tell whether a list that shows all that we know of leaves out just this order.

        Such a world looks to us as one where nothing landed. That nothing at all is listed, or that others of
        ours are missing too, we could know.
        """
        habits = self.truth.habits
        if self.callbacks[order_id] or any(habits.is_listed(made, now) for made in living):
            return False
        held = {
            row["cloudpress_order_id"] for other, row in self.reader.orders().items() if other != order_id
        }
        known = [made for made in self._around(living[0]) if made.id in held]
        before = [made for made in known if made.created_at <= living[0].created_at]
        after = [made for made in known if made.created_at > living[0].created_at]
        return bool(before and after) and all(habits.is_listed(made, now) for made in known)

    def _around(self, made: MadeOrder) -> list[MadeOrder]:
        return [
            other
            for other in self.truth.orders.values()
            if other is not made
            and not other.is_gone
            and abs(other.created_at - made.created_at) <= WITNESS_SPAN
        ]

    # --- after each commit --------------------------------------------------------------------------

    def check(self, rows: dict[UUID, dict[str, Any]]) -> None:
        """Check that nobody was impatient, and that each order shows nothing of another's."""
        for table in ("tasks", "sites"):
            for owned in self.reader.owned(table):
                self._check_owned(table, owned, rows)
        self._check_leases(rows)
        for order_id, row in rows.items():
            self._check_fate(order_id, row)
            if (
                "our_clock" in self.truth.habits
                and not {"stops", "sleep", "late_answers"} & self.truth.habits.drawn
            ):
                self._check_held_up(order_id, row)

    def _check_leases(self, rows: dict[UUID, dict[str, Any]]) -> None:
        """Check that nobody's lease ended early: that none was taken for cut off who could yet go on."""
        last = {attempt["order_id"]: attempt for attempt in self.reader.placements()}
        for order_id, attempt in last.items():
            if rows[order_id]["status"] != OrderStatus.UNCONFIRMED or attempt["outcome"] is not None:
                continue
            # From when the transaction began: whoever stands still in it has that much less of the lease.
            begun = self.times.true_of_uptime(attempt["sent_boot"], attempt["sent_uptime"])
            held = self.times.true() - begun
            if held < timedelta(seconds=self.lease_seconds - 1):
                self.violate(f"{order_id} is taken for cut off after {held}, and its lease was not over")

    def _check_held_up(self, order_id: UUID, row: dict[str, Any]) -> None:
        """Check that no order waits for our clock to come again to where it was."""
        due_at, now = row["due_at"], self.times.true()
        if due_at is None or due_at != self.due.get(order_id, (None, None))[0]:
            self.due.pop(order_id, None)
            if due_at is not None:
                # The clock may have stepped forward while the transaction was open.
                self.due[order_id] = (due_at, max(now, now + (due_at - self.times.wall())))
            return
        meant_at = self.due[order_id][1]
        if now > meant_at + HELD_UP:
            self.violate(f"{order_id} was to be looked at {now - meant_at} ago: our clock stepped back")

    def _check_owned(self, table: str, owned: dict[str, Any], rows: dict[UUID, dict[str, Any]]) -> None:
        """Check that a task or a site is that of the CloudPress order that is held."""
        row = rows.get(owned["order_id"])
        holds = row["cloudpress_order_id"] if row else None
        if holds is None:
            return
        made = self.truth.orders[holds]
        own = made.task_ids if table == "tasks" else made.site_ids
        if owned["id"] not in own:
            self.violate(f"{owned['order_id']} has {owned['id']} of {table}, which is not of {holds}: {own}")

    def _check_fate(self, order_id: UUID, row: dict[str, Any]) -> None:
        """Check that what became of an order is what became of the CloudPress order that it holds."""
        holds = row["cloudpress_order_id"]
        made = self.truth.orders[holds] if holds is not None else None
        if made is None or made.is_gone:
            return
        fates = {OrderStatus.COMPLETED: "OK", OrderStatus.CANCELLED: "CANCELLED"}
        expected = fates.get(row["status"])
        if row["error_code"] in {"task_failed", "order_failed"}:
            expected = "FAILED"
        if expected is not None and made.task_status != expected:
            self.violate(f"{order_id} is {row['status']}, but the task of {made.id} is {made.task_status}")
