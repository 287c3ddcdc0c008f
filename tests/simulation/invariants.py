"""What must hold in every life: at every moment, and at its end."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from app.db.models import RESTORED
from app.reconciler.window import CLOCK_TOLERANCE
from app.states import FINAL, TRANSITIONS, AttentionCode, OrderStatus
from tests.simulation.habits import PLACID
from tests.simulation.provider import CloudPressTruth, MadeOrder
from tests.simulation.reader import Reader
from tests.simulation.rules import A_DAY, LOOK_SPAN, Rules

# How long an order may be due while nobody holds it and somebody could: far below what polling would hide.
OVERDUE_SECONDS = 60.0


class ViolationError(AssertionError):
    """An invariant was broken."""


@dataclass
class Auditor:
    """Judges what is committed by what truly is."""

    reader: Reader
    truth: CloudPressTruth
    now: Callable[[], datetime]
    grace_seconds: float
    rules: Rules
    accepted: set[UUID] = field(default_factory=set)
    finals: dict[UUID, str] = field(default_factory=dict)
    beyond_knowing: set[UUID] = field(default_factory=set)
    """The orders that hold another's because a task's number was given anew."""
    lied_to: defaultdict[UUID, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By order, the tasks that its callbacks named without being its own; a number may be given twice."""
    mistaken: dict[UUID, str] = field(default_factory=dict)
    """Orders that held a twin that was another's, and which: what became of their own nobody can know."""
    posts: Counter[UUID] = field(default_factory=Counter)
    placements: int = 0
    excused_until: datetime | None = None
    """Until then it may be that nobody lives who could take an order up; None before anybody does."""
    steps_forward: list[tuple[datetime, timedelta]] = field(default_factory=list)
    """When our clock stepped forward, by the clock as it was before, and by how much."""
    next_overdue_at: datetime | None = None
    dirty: bool = True
    broken: str | None = None
    restored: bool = False

    def touch(self) -> None:
        """Have the invariants checked before the next step."""
        self.dirty = True

    def excuse_until(self, moment: datetime) -> None:
        """Note that a replica is away until then."""
        self.excused_until = max(self.excused_until or moment, moment)

    def step_excuse(self, seconds: float) -> None:
        """Have a step of our clock end nobody's absence: it is told by that clock, and goes on as long.

        Nor does a step forward wake anybody who sleeps until something is due: nobody polls here.
        """
        if seconds > 0:
            step = timedelta(seconds=seconds)
            self.steps_forward.append((self.now() - step, step))
            if self.excused_until is not None:
                self.excused_until += step

    def begin(self) -> None:
        """Note that from now on somebody is there."""
        self.excused_until = self.now()

    def restore(self, finals: dict[UUID, str]) -> None:
        """Note that the database is an older one: what was accepted since is lost by nature."""
        self.restored = True
        self.accepted &= self.reader.orders().keys()
        self.finals = finals
        self.posts.clear()
        for row in self.reader.placements():
            self.posts[row["order_id"]] += 1
        self.dirty = True

    def violate(self, text: str) -> NoReturn:
        """Tell of a broken invariant; whoever catches this does not hide it."""
        self.broken = self.broken or text
        raise ViolationError(text)

    # --- at every moment ----------------------------------------------------------------------------

    def step(self) -> None:
        """Check whatever may have changed since the last step."""
        if self.broken is not None:
            self.violate(self.broken)
        late = self.next_overdue_at is not None and self.now() > self.next_overdue_at
        if self.dirty or late:
            self.dirty = False
            self.check()

    def before_post(self, order_id: UUID, placing: bool) -> datetime:  # noqa: FBT001 - a callback of the provider
        """Check that a request was intended, committed and allowed; return when its attempt was committed."""
        if not placing:
            self.violate(f"{order_id} is sent though placing is off")
        attempts = [row for row in self.reader.placements() if row["order_id"] == order_id]
        self.posts[order_id] += 1
        self.placements += 1
        if self.posts[order_id] > len(attempts):
            self.violate(f"{order_id}: {self.posts[order_id]} requests, and {len(attempts)} were intended")
        self.rules.before_post(order_id, attempts)
        sent_at: datetime = attempts[-1]["sent_at"]
        return sent_at

    def check(self) -> None:
        """Check what must hold at every moment."""
        rows = self.reader.orders()
        missing = self.accepted - rows.keys()
        if missing:
            self.violate(f"lost: {missing}")
        held: dict[str, UUID] = {}
        for order_id, row in rows.items():
            self.check_row(order_id, row)
            holds = row["cloudpress_order_id"]
            if holds is not None:
                if holds in held:
                    self.violate(f"{holds} is held twice")
                held[holds] = order_id
                self.check_held(order_id, row, self.truth.orders[holds])
        self.check_due(rows)
        if self.rules.are_on:
            self.rules.check(rows)
        else:
            self.check_doubles()
        for delivery in self.reader.odd_deliveries():
            self.violate(f"delivery {delivery['id']} is {delivery['status']}, due {delivery['due_at']}")

    def check_row(self, order_id: UUID, row: dict[str, Any]) -> None:
        """Check that an order stays final, or is due."""
        if order_id in self.finals and self.finals[order_id] != row["status"]:
            self.violate(f"{order_id} left {self.finals[order_id]} for {row['status']}")
        if row["status"] in FINAL:
            self.finals[order_id] = row["status"]
        elif row["due_at"] is None:
            self.violate(f"{order_id} is {row['status']} and never due")
        if row["attention_code"] == "pass_broken":
            self.violate(f"{order_id}: {row['attention_detail']}")

    def check_held(self, order_id: UUID, row: dict[str, Any], made: MadeOrder) -> None:
        """Check that an order holds its own; or the twin of a stranger, which nobody can tell from it."""
        if made.local_id == order_id:
            if self.rules.are_on:
                self.mistaken.pop(order_id, None)
            return
        excused = self.mistaken.get(order_id)
        if excused == made.id or (excused is not None and not self.rules.are_on):
            return
        told = bool(made.task_ids & self.lied_to[order_id])
        source = row["cloudpress_order_id_source"]
        if source == "callback" and self.rules.was_renumbered(order_id, made, self.lied_to[order_id]):
            self.rules.counts["beyond_knowing"] += 1
            self.mistaken[order_id] = made.id
            self.beyond_knowing.add(order_id)
            return
        believed = source == "lookup" or (source == "callback" and told)
        if believed and self.is_unclaimed(made) and self.is_twin(order_id, row, made):
            self.mistaken[order_id] = made.id
            return
        self.violate(f"{order_id} holds {made.id} by {source}, which is not its own but {made.local_id}'s")

    def is_unclaimed(self, made: MadeOrder) -> bool:
        """Tell whether no local order would ever take a CloudPress order for its own."""
        rows = self.reader.orders()
        owner = rows.get(made.local_id) if made.local_id is not None else None
        return owner is None or made.local_id in self.mistaken or owner["error_code"] == "failed_by_operator"

    def is_twin(self, order_id: UUID, row: dict[str, Any], made: MadeOrder) -> bool:
        """Tell whether name, variant and age speak for a CloudPress order, as far as they are told."""
        habits = self.truth.habits
        attempts = [it for it in self.reader.placements() if it["order_id"] == order_id]
        since = attempts[0]["sent_at"] if attempts else row["created_at"]
        if any(it["callback_key_id"] == RESTORED for it in attempts):
            since = row["created_at"]
        tolerance = CLOCK_TOLERANCE + timedelta(seconds=abs(self.truth.chaos.skew_seconds) + 1)
        is_young = (
            not made.tells_age
            or not habits.age_is_told
            or made.created_at >= self.rules.times.true_of(since) - tolerance
        )
        is_named = made.name == habits.tidied(row["site_name"])
        return is_named and made.variant == row["variant"] and is_young and not self.had_choice(order_id, row)

    def had_choice(self, order_id: UUID, row: dict[str, Any]) -> bool:
        """Tell whether a look-up has shown the order's own as well, so that it could not choose."""
        if not self.rules.are_on or row["cloudpress_order_id_source"] != "lookup":
            return False
        before = self.truth.now() - LOOK_SPAN
        return any(
            made.is_alive
            and made.created_at < before
            and self.truth.habits.is_listed(made, before)
            and not {"clamps", "sorting", "pages"} & self.truth.habits.drawn
            for made in self.made_for(order_id)
        )

    def check_due(self, rows: dict[UUID, dict[str, Any]]) -> None:
        """Check that no order is due and left alone: whoever could take it up was woken."""
        excused = self.excused_until
        due = [row for row in rows.values() if row["due_at"] is not None]
        if excused is None or not due:
            self.next_overdue_at = None
            return
        moments = [
            max(row["due_at"] + self.overslept(row), row["lease_until"] or row["due_at"], excused)
            for row in due
        ]
        self.next_overdue_at = min(moments) + timedelta(seconds=OVERDUE_SECONDS)
        if self.now() > self.next_overdue_at:
            told = ("status", "due_at", "scheduled_at", "lease_until")
            late = [row for row, moment in zip(due, moments, strict=True) if moment == min(moments)]
            rows_told = [f"{row['id']} ({', '.join(f'{name} {row[name]}' for name in told)})" for row in late]
            self.violate(
                f"due for {OVERDUE_SECONDS:.0f} s, and nobody takes them up: {'; '.join(rows_told)}; "
                f"our clock shows {self.now()}, and nobody is excused since {excused}"
            )

    def overslept(self, row: dict[str, Any]) -> timedelta:
        """Return by how much our clock stepped forward since it was said when a row is due."""
        said = row["scheduled_at"] or row["due_at"]
        return sum((step for stepped_at, step in self.steps_forward if said <= stepped_at), timedelta())

    def made_for(self, order_id: UUID) -> list[MadeOrder]:
        """Return the CloudPress orders that were truly made for an order."""
        return [made for made in self.truth.orders.values() if made.local_id == order_id]

    def check_doubles(self) -> None:
        """Two are allowed only where a request landed after the grace of its own attempt."""
        made_for: defaultdict[UUID, list[MadeOrder]] = defaultdict(list)
        for made in self.truth.orders.values():
            if made.local_id in self.accepted and made.local_id is not None:
                made_for[made.local_id].append(made)
        for order_id, made_orders in made_for.items():
            if len(made_orders) > 1 and not any(map(self.landed_late, made_orders)):
                self.violate(f"{order_id} was placed {len(made_orders)} times")

    def landed_late(self, made: MadeOrder) -> bool:
        """Tell whether a request landed after the grace of its own attempt."""
        grace = timedelta(seconds=self.grace_seconds)
        return made.sent_at is not None and made.created_at >= made.sent_at + grace

    # --- at the end ---------------------------------------------------------------------------------

    def check_end(self) -> None:
        """Check that every order is final, as CloudPress has it, or asks for attention."""
        for order_id, row in self.reader.orders().items():
            if row["status"] not in FINAL and not row["attention_detail"] and not self.is_waiting(row):
                self.violate(f"{order_id} is {row['status']} and nobody is told")
            is_open = row["status"] in {"awaiting_payment", "provisioning"}
            if row["cancel_requested_at"] is not None and is_open and not self.has_to_wait(row):
                self.violate(f"{order_id} is {row['status']}, and the wish to cancel it was forgotten")
            if row["error_code"] != "failed_by_operator" and not self.is_excused(order_id):
                self.check_bought(order_id, row)
            if PLACID in self.truth.habits and (row["attention_code"] or row["status"] not in FINAL):
                self.violate(f"{order_id} is {row['status']}, and nobody had to be asked: {row}")
        self.check_answers()
        for order_id, steps in self.reader.transitions().items():
            for before, after in steps:
                if after != before and OrderStatus(after) not in TRANSITIONS[OrderStatus(before)]:
                    self.violate(f"{order_id} went from {before} to {after}")

    def has_to_wait(self, row: dict[str, Any]) -> bool:
        """Tell whether it is right that an order which nobody wants any more is open, and a person is told.

        What may be another customer's is not cancelled, and what CloudPress has never shown since it was
        asked is not known to be: it may show it again.
        """
        holds = row["cloudpress_order_id"]
        is_gone = holds is not None and self.truth.orders[holds].is_gone
        return "cancel nothing" in (row["attention_detail"] or "") or (
            is_gone and row["attention_code"] == AttentionCode.NOT_FOUND
        )

    def is_waiting(self, row: dict[str, Any]) -> bool:
        """Tell whether it is right that nobody is told of an order yet which goes on."""
        if "refusals" not in self.truth.habits or row["status"] != OrderStatus.PENDING:
            return False
        return self.truth.now() - self.rules.times.true_of(row["created_at"]) < A_DAY

    def is_excused(self, order_id: UUID) -> bool:
        """Tell whether nobody can know what became of an order's own: it holds a twin.

        Its own callback tells, unless it named a number that was given anew before it was looked at.
        """
        if order_id not in self.mistaken:
            return False
        return order_id in self.beyond_knowing or not (self.rules.are_on and self.rules.was_named(order_id))

    def check_answers(self) -> None:
        """Check that every answer which reached a process that lived on is written, lease or no lease."""
        outcomes = {(it["order_id"], it["sent_at"]): it["outcome"] for it in self.reader.placements()}
        for order_id, sent_at, is_crashed in self.truth.answered:
            if not is_crashed() and outcomes.get((order_id, sent_at)) is None:
                self.violate(f"{order_id}: the answer to what was sent at {sent_at} was not written")

    def check_bought(self, order_id: UUID, row: dict[str, Any]) -> None:
        """Check that the operator was told of all that was bought for an order beside what it shows."""
        made = self.made_for(order_id)
        attention = row["attention_detail"] or ""
        if row["status"] == OrderStatus.COMPLETED and not made:
            self.violate(f"{order_id} is completed and was never made")
        if row["error_code"] == "rejected" and made:
            self.violate(f"{order_id} is rejected and was made")
        alive = [it for it in made if it.is_alive]
        alive = [it for it in alive if not self.is_invisible(it)]
        untold = [it.id for it in alive if it.id not in attention and it.id != row["cloudpress_order_id"]]
        if row["status"] == OrderStatus.CANCELLED and any(it.id not in attention for it in alive):
            self.violate(f"{order_id} is cancelled and lives on as {[it.id for it in alive]}")
        if row["status"] in FINAL and untold:
            self.violate(f"{order_id} is {row['status']}; nobody is told of {untold}")
        if len(alive) > 1 and not all(it.id in attention for it in alive):
            self.violate(f"{order_id} lives as {[it.id for it in alive]}, attention: {attention!r}")

    def is_invisible(self, made: MadeOrder) -> bool:
        """Tell whether nothing has ever told of a CloudPress order: no list shows it, no callback came."""
        if not self.rules.are_on or made.local_id is None or self.rules.callbacks[made.local_id]:
            return False
        holds = self.reader.orders()[made.local_id]["cloudpress_order_id"]
        return holds != made.id and not self.truth.habits.is_listed(made, self.truth.now())
