"""Why an order is not done: one sentence from what is known of it, and when it is looked at next. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.states.attention import OF_PLACEMENTS
from app.states.codes import AttentionCode, Code
from app.states.observations import Trouble
from app.states.statuses import AWAITING_PAYMENT, FINAL, PENDING, PLACING, PROVISIONING, OrderStatus
from app.states.words import is_done

BEAT_SECONDS = 20.0
"""How often a replica says that it lives."""
ALIVE_SECONDS = 3 * BEAT_SECONDS
"""For how long one that said so is believed to."""
DAY = timedelta(days=1)


class WaitingCode(Code):
    """What an open order waits for."""

    NOBODY_WORKS = "nobody_works", "No worker lives that could move the order."
    PLACING_OFF = "placing_off", "PLACING is off: no order is sent to CloudPress."
    TURN = "turn", "The order is due: a worker takes it up next."
    PASS = "pass", "A worker is at work on the order."
    SENDING = "sending", "The order is on its way to CloudPress, whose answer is awaited."
    RESOLUTION = "resolution", "An operator has decided what becomes of the order, and it is being done."
    DECISION = "decision", "An operator has to say what becomes of the order."
    REPAIR = "repair", "Something has to be put right first, as the order's attention says."
    RATE_LIMITED = "rate_limited", "CloudPress answered that it is asked too often: it is asked again later."
    CLOUDPRESS_AWAY = "cloudpress_away", "CloudPress gave no usable answer: it is asked again later."
    RETRY = "retry", "CloudPress refused a request for now: it is sent again later."
    CANCELLATION = "cancellation", "A client asked to cancel the order, and what comes of it is not known."
    LOOK_UP = "look_up", "CloudPress is searched for the order, of which it may not have heard."
    PAYMENT = "payment", "The end user has to pay."
    TASK = "task", "CloudPress works on the order, and is asked when it calls back, or later by itself."
    SITE_DETAILS = "site_details", "CloudPress has finished, and what it made is read."
    REAPPEARANCE = "reappearance", "CloudPress answers 404 for something of the order that it had shown."


@dataclass(frozen=True)
class Surroundings:
    """What is known beside the order: the time, whether orders are sent, when a worker was seen last."""

    now: datetime
    placing: bool = True
    worker_seen_at: datetime | None = None

    @property
    def anybody_works(self) -> bool:
        """Whether a worker lives, as far as is known."""
        seen_at = self.worker_seen_at
        return seen_at is not None and self.now - seen_at < timedelta(seconds=ALIVE_SECONDS)


@dataclass(frozen=True)
class Waits:
    """What of an order's row says why it is not done. `tasks` are the statuses of its tasks."""

    status: OrderStatus
    due_at: datetime | None
    held_until: datetime | None = None
    attention: AttentionCode | None = None
    trouble: Trouble | None = None
    cloudpress_status: str | None = None
    tasks: tuple[str, ...] = ()
    missing: bool = False
    cancelling: bool = False
    resolving: bool = False
    may_be_anothers: bool = False
    """Whether a person is asked whose it is what the order holds, so that nothing is done with that."""


@dataclass(frozen=True)
class Waiting:
    """Why an order is not done; `until` is when it is looked at next, whatever happens before."""

    code: WaitingCode
    detail: str
    until: datetime | None


DECIDED_BY_OPERATORS = OF_PLACEMENTS | {AttentionCode.NOT_SENT}
REPAIRED_FIRST = (
    frozenset(AttentionCode)
    - DECIDED_BY_OPERATORS
    - {
        AttentionCode.SUSPECTED_DUPLICATE,
        AttentionCode.NOT_FOUND,
        AttentionCode.UNANSWERED,
        AttentionCode.SITE_MISSING,
    }
)


def waiting_for(order: Waits, around: Surroundings) -> Waiting | None:
    """Say what an order waits for; None if it is final."""
    if order.status in FINAL:
        return None
    if not around.anybody_works:
        return Waiting(WaitingCode.NOBODY_WORKS, _nobody(around), None)
    is_due = order.due_at is not None and order.due_at <= around.now
    until = None if is_due else order.due_at
    code, detail = _at_work(order, around, is_due=is_due) or _blocked(order) or _going_on(order)
    return Waiting(code, detail.format(at=_moment(until, around.now)), until)


def _nobody(around: Surroundings) -> str:
    if around.worker_seen_at is None:
        return "Nobody works: no worker has been seen. Start `presshook serve` or `presshook worker`."
    minutes = max(1, round((around.now - around.worker_seen_at).total_seconds() / 60))
    span = "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"Nobody works: no worker has been seen for {span}. Start `presshook serve` or `presshook worker`."


def _moment(until: datetime | None, now: datetime) -> str:
    if until is None:
        return "soon"
    return f"at {until:%H:%M:%S} UTC" if until - now < DAY else f"on {until:%Y-%m-%d at %H:%M:%S} UTC"


def _at_work(order: Waits, around: Surroundings, *, is_due: bool) -> tuple[WaitingCode, str] | None:
    """Say whether somebody is at work on the order, or is about to be."""
    if order.held_until is not None and order.held_until > around.now:
        if order.status is PLACING:
            return WaitingCode.SENDING, "The order is being sent to CloudPress right now."
        return WaitingCode.PASS, "A worker is asking CloudPress about the order right now."
    if order.status is PENDING and not around.placing:
        return (
            WaitingCode.PLACING_OFF,
            "PLACING is off, so the order is not sent to CloudPress until it is on.",
        )
    if not is_due:
        return None
    if order.status is PLACING:
        return WaitingCode.TURN, "Sending the order was cut off: a worker looks for it at CloudPress next."
    if order.status is PENDING:
        return WaitingCode.TURN, "The order is due: a worker sends it to CloudPress next."
    return WaitingCode.TURN, "The order is due: a worker looks at CloudPress next."


def _blocked(order: Waits) -> tuple[WaitingCode, str] | None:
    """Say what keeps the order from going on by itself, or keeps CloudPress from telling."""
    again = "sent again" if order.status is PENDING else "asked again"
    if order.resolving:
        return WaitingCode.RESOLUTION, "An operator has decided what becomes of the order; it is done {at}."
    if order.attention is AttentionCode.NOT_SENT:
        return WaitingCode.DECISION, "An operator has to say whether the order is still wanted: place again."
    if order.attention in DECIDED_BY_OPERATORS:
        return (
            WaitingCode.DECISION,
            "An operator has to resolve the order, as its attention says; CloudPress is searched again {at}.",
        )
    if order.may_be_anothers:
        return (
            WaitingCode.DECISION,
            "An operator has to say whose that is which the order holds; CloudPress is asked again {at}.",
        )
    if order.attention in REPAIRED_FIRST:
        return WaitingCode.REPAIR, f"Its attention says what has to be put right; {again} {{at}}."
    trouble = order.trouble
    if trouble is None:
        return None
    if trouble.status == 429:
        return WaitingCode.RATE_LIMITED, f"CloudPress answered 429 (too many requests); {again} {{at}}."
    if trouble.status is not None and trouble.status < 500:
        return WaitingCode.RETRY, f"CloudPress answered {trouble.status}; {again} {{at}}."
    said = f"CloudPress answered {trouble.status}" if trouble.status else "CloudPress did not answer"
    return WaitingCode.CLOUDPRESS_AWAY, f"{said}; {again} {{at}}."


def _going_on(order: Waits) -> tuple[WaitingCode, str]:
    """Say what the order waits for when all is well."""
    if order.status is PENDING:
        return WaitingCode.TURN, "The order is sent to CloudPress {at}."
    if order.status not in {AWAITING_PAYMENT, PROVISIONING}:
        return (
            WaitingCode.LOOK_UP,
            "Whether CloudPress has the order is not known: its list is searched again {at}.",
        )
    if order.cancelling:
        return (
            WaitingCode.CANCELLATION,
            "A client asked to cancel the order; CloudPress is asked {at} what came of it.",
        )
    if order.missing:
        return (
            WaitingCode.REAPPEARANCE,
            "CloudPress answers 404 for something of the order that it had shown; it is asked again {at}.",
        )
    if order.status is AWAITING_PAYMENT:
        return (
            WaitingCode.PAYMENT,
            "The end user has to pay at payment_url; CloudPress is asked {at} without a callback.",
        )
    if is_done(order.cloudpress_status, order.tasks):
        return WaitingCode.SITE_DETAILS, "CloudPress has finished; the site's details are read {at}."
    return (
        WaitingCode.TASK,
        f"{_task(order.tasks)}; CloudPress is asked when it calls back, or {{at}} without that.",
    )


def _task(statuses: tuple[str, ...]) -> str:
    open_ones = {status.upper() for status in statuses} - {"OK"}
    if "RUNNING" in open_ones:
        return "CloudPress's task runs"
    if open_ones == {"PAUSED"}:
        return "CloudPress's task is paused"
    if open_ones == {"PENDING"}:
        return "CloudPress's task has not begun"
    return "CloudPress works on the order"
