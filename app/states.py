"""The state machine, pure: which status may follow which, and what an observation means.

    pending           -> placing, unconfirmed, cancelled
    placing           -> pending, unconfirmed, awaiting_payment, provisioning, failed
    unconfirmed       -> pending, awaiting_payment, provisioning, completed, failed, cancelled
    awaiting_payment  -> provisioning, completed, failed, cancelled
    provisioning      -> awaiting_payment, completed, failed, cancelled

Who moves an order, and when:

    pending           intake creates it; the reconciler sends it; intake cancels it while nobody holds it;
                      in a restored database it becomes unconfirmed, and so it does where a callback or a
                      late answer says that CloudPress has it already
    placing           the reconciler commits it before the request; found with its lease run out: cut off
    unconfirmed       the reconciler, where the outcome of the request is unknown; looked for, never repeated;
                      cancelled if the client wishes it and nothing at CloudPress can be it
    awaiting_payment  the reconciler, while CloudPress shows a payment URL
    provisioning      the reconciler, while the task runs
    completed, failed, cancelled   the reconciler, from what CloudPress says; final
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

MISSING_ATTENTION_SECONDS = 24 * 3600
LOOK_UPS_BEFORE_PLACING_AGAIN = 2
LATE_LOOK_AFTER = timedelta(hours=5)
"""An order that may have been placed more than once is looked for once more then."""
CREDENTIALS_REFUSED = "credentials_refused"
DUPLICATE = "suspected_duplicate"


class OrderStatus(StrEnum):
    """The statuses of an order."""

    PENDING = "pending"
    PLACING = "placing"
    UNCONFIRMED = "unconfirmed"
    AWAITING_PAYMENT = "awaiting_payment"
    PROVISIONING = "provisioning"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


PENDING, PLACING, UNCONFIRMED, AWAITING_PAYMENT, PROVISIONING, COMPLETED, FAILED, CANCELLED = OrderStatus

FINAL = frozenset({COMPLETED, FAILED, CANCELLED})
PLACED = frozenset({AWAITING_PAYMENT, PROVISIONING}) | FINAL
"""Statuses that an order can have once CloudPress has it."""

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    PENDING: frozenset({PLACING, UNCONFIRMED, CANCELLED}),
    PLACING: frozenset({PENDING, UNCONFIRMED, AWAITING_PAYMENT, PROVISIONING, FAILED}),
    UNCONFIRMED: frozenset({PENDING, AWAITING_PAYMENT, PROVISIONING}) | FINAL,
    AWAITING_PAYMENT: frozenset({PROVISIONING}) | FINAL,
    PROVISIONING: frozenset({AWAITING_PAYMENT}) | FINAL,
    COMPLETED: frozenset(),
    FAILED: frozenset(),
    CANCELLED: frozenset(),
}


def may_follow(before: OrderStatus, after: OrderStatus) -> bool:
    """Tell whether an order may go from one status to another, or stay as it is."""
    return before == after or after in TRANSITIONS[before]


class PostOutcome(StrEnum):
    """How an attempt to place an order ended."""

    PLACED = "placed"
    NOT_SENT = "not_sent"
    HELD_OFF = "held_off"
    """Refused for now, for a reason that is not in the order."""
    REJECTED = "rejected"
    """Refused for what is in the order."""
    UNKNOWN = "unknown"


NOTHING_LANDED = frozenset({PostOutcome.NOT_SENT, PostOutcome.HELD_OFF})
"""Outcomes after which CloudPress surely has made no order."""


class Wait(StrEnum):
    """What an order waits for, which says how long."""

    NOTHING = "nothing"
    """It is final."""
    TURN = "turn"
    """It goes on at once."""
    TASK = "task"
    PAYMENT = "payment"
    SETTLING = "settling"
    """CloudPress has decided, but does not show the outcome yet."""
    LOOK_UP = "look_up"
    RETRY = "retry"
    """Something failed: this, and nothing else, counts as a failure."""


@dataclass(frozen=True)
class Problem:
    """Why an order failed."""

    code: str
    detail: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attention:
    """Why a person should look at an order, and what to do."""

    code: str
    detail: str


@dataclass(frozen=True)
class Trouble:
    """A request to CloudPress that told nothing."""

    kind: str
    status: int | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True)
class Standing:
    """What of an order's row bears on a decision."""

    status: OrderStatus
    missing_since: datetime | None = None
    attention: Attention | None = None


@dataclass(frozen=True)
class PostEnded:
    """Observation: the request that places the order has ended.

    `first` says that no earlier attempt can have made an order.
    """

    outcome: PostOutcome
    first: bool
    order_status: str | None = None
    task_status: str | None = None
    payment_url: str | None = None
    reasons: tuple[str, ...] = ()
    trouble: Trouble | None = None


@dataclass(frozen=True)
class CutOff:
    """Observation: the order was being placed by someone whose lease ran out."""


@dataclass(frozen=True)
class PlacingOff:
    """Observation: the operator lets no order be sent at the moment."""


@dataclass(frozen=True)
class Reappeared:
    """Observation: something speaks for an order, which is to be sent, being at CloudPress already.

    A callback was let in meanwhile, or the answer to an earlier attempt was recorded late.
    """


@dataclass(frozen=True)
class Unwanted:
    """Observation: the client no longer wants an order that is to be sent, or to be sent once more.

    `was_sent` says that an earlier attempt may have made one all the same.
    """

    was_sent: bool = False


@dataclass(frozen=True)
class NotFoundYet:
    """Observation: the order whose placement is unknown has not been found, and what speaks for what.

    `look_ups` counts the complete ones; `last_look_up_at` is when the last of them began. `candidates`
    match the order, `suspects` may be it. `called_back` says that a callback was ever let in, `unwanted`
    that the client wishes to cancel.
    """

    sent_at: datetime
    grace_seconds: float
    trouble: Trouble | None = None
    unfinished: bool = False
    look_ups: int = 0
    last_look_up_at: datetime | None = None
    candidates: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    look_alike: bool = False
    called_back: bool = False
    placing: bool = True
    unwanted: bool = False

    @property
    def grace_ends_at(self) -> datetime:
        """When the order is placed again if nothing can be it, or asks for attention."""
        return self.sent_at + timedelta(seconds=self.grace_seconds)

    @property
    def is_nowhere(self) -> bool:
        """Whether nothing at CloudPress can be the order: so surely that it may be placed again."""
        begun_late_enough = self.last_look_up_at is not None and self.last_look_up_at >= self.grace_ends_at
        evidence = self.candidates or self.suspects or self.called_back or self.trouble
        return begun_late_enough and self.look_ups >= LOOK_UPS_BEFORE_PLACING_AGAIN and not evidence


@dataclass(frozen=True)
class Resolved:
    """Observation: an operator has decided that the order is placed again, or fails."""

    status: OrderStatus
    by: str


@dataclass(frozen=True)
class Rechecked:
    """Observation: a final order was checked for a double; what was found is written beside its status.

    `open_hints` says that callbacks name tasks that CloudPress does not show yet.
    """

    trouble: Trouble | None = None
    open_hints: bool = False


@dataclass(frozen=True)
class Seen:
    """Observation: what CloudPress showed of a placed order in one pass.

    `order_status` is None where the order could not be read; `tasks` are the statuses of all its tasks
    that are known. `missing` says that something known was answered with 404, `cancel_accepted` that
    CloudPress has agreed to cancel the order.
    """

    order_status: str | None
    tasks: tuple[str, ...]
    payment_url: str | None = None
    site_read: bool = False
    missing: bool = False
    cancel_accepted: bool = False
    trouble: Trouble | None = None
    rechecked: Rechecked = Rechecked()
    """What came of looking whether CloudPress has the order a second time."""


Observation = (
    PostEnded | CutOff | PlacingOff | Reappeared | Unwanted | NotFoundYet | Resolved | Rechecked | Seen
)


@dataclass(frozen=True)
class Decision:
    """What an observation makes of an order.

    `payment_url` is what the order shows from now on; `missing` starts or ends the count towards
    attention, None leaves it as it is.
    """

    status: OrderStatus
    wait: Wait
    payment_url: str | None = None
    keeps_payment_url: bool = False
    problem: Problem | None = None
    attention: Attention | None = None
    missing: bool | None = None
    retry_after_seconds: float | None = None
    late_look: bool = False
    """Whether a request that is still on its way could make an order yet."""


def decide(order: Standing, observation: Observation, now: datetime) -> Decision:
    """Say what an observation means for an order. A final order stays as it is."""
    if order.status in FINAL:
        return _stays_final(order, observation)
    match observation:
        case PostEnded():
            return _after_post(order, observation)
        case CutOff():
            return Decision(UNCONFIRMED, Wait.LOOK_UP)
        case PlacingOff():
            return Decision(PENDING, Wait.TASK, attention=order.attention)
        case Reappeared():
            return Decision(UNCONFIRMED, Wait.TURN)
        case Unwanted():
            return Decision(CANCELLED, Wait.NOTHING, late_look=observation.was_sent)
        case NotFoundYet():
            return _still_looking(order, observation, now)
        case Resolved():
            return _resolved(observation)
        case Seen() | Rechecked():
            return _looked_at(order, observation, now)


def _stays_final(order: Standing, observation: Observation) -> Decision:
    unchanged = Decision(order.status, Wait.NOTHING)
    if not isinstance(observation, Rechecked):
        return replace(unchanged, attention=order.attention)
    if observation.trouble is not None:
        unchanged = replace(unchanged, attention=order.attention)  # no cause has gone
    return _until_rechecked(unchanged, observation)


def _looked_at(order: Standing, observation: Seen | Rechecked, now: datetime) -> Decision:
    if isinstance(observation, Seen):
        decision = _seen(order, observation, now)
        return _until_rechecked(decision, observation.rechecked, beside=observation.trouble)
    unchanged = Decision(order.status, Wait.TURN, keeps_payment_url=True, attention=order.attention)
    return _until_rechecked(unchanged, observation)


def _until_rechecked(decision: Decision, rechecked: Rechecked, *, beside: Trouble | None = None) -> Decision:
    """Have an order looked at again, also a final one, where what speaks for a double was not seen yet.

    `beside` is what went wrong with the requests about the order itself: its `Retry-After` holds as well.
    """
    if rechecked.trouble is not None:
        floors = [trouble.retry_after_seconds for trouble in (rechecked.trouble, beside) if trouble]
        retry_after = max((floor for floor in floors if floor is not None), default=None)
        return replace(decision, wait=Wait.RETRY, retry_after_seconds=retry_after)
    if rechecked.open_hints and decision.wait is Wait.NOTHING:
        return replace(decision, wait=Wait.SETTLING)
    return decision


def outcome_of_refusal(status: int) -> PostOutcome:
    """Say what a status other than 2xx, in answer to a request to place an order, means for it."""
    if status in {400, 402, 404, 409, 422}:
        return PostOutcome.REJECTED
    if status == 408 or status >= 500 or status < 300:
        return PostOutcome.UNKNOWN
    return PostOutcome.HELD_OFF


def refuses_to_cancel(status: int) -> bool:
    """Tell whether a status other than 2xx means that an order will not be cancelled, rather than not now."""
    return 400 <= status < 500 and status not in {401, 403, 408, 429}


def is_known_task_status(status: str) -> bool:
    """Tell whether the provider's page lists a task's status, in any letter case."""
    return status.upper() in {"PENDING", "RUNNING", "OK", "FAILED", "CANCELLED", "PAUSED"}


def is_known_order_status(status: str) -> bool:
    """Tell whether the provider's open ancestor uses an order's status, in any letter case."""
    known = {"open", "pending", "awaiting_payment", "processing", "cancelled", "completed", "failed"}
    return status.lower() in known


def is_final_task(status: str | None) -> bool:
    """Tell whether a task's status, in any letter case, is final."""
    return (status or "").upper() in {"OK", "FAILED", "CANCELLED"}


def is_done(order_status: str | None, task_statuses: Iterable[str]) -> bool:
    """Tell whether CloudPress has finished well: every task is OK, or none is final and the order is."""
    tasks = {status.upper() for status in task_statuses}
    if any(is_final_task(status) for status in tasks):
        return tasks == {"OK"}
    return (order_status or "").lower() == "completed"


def is_over(order_status: str | None, task_statuses: Iterable[str]) -> bool:
    """Tell whether CloudPress has cancelled an order or failed to carry it out, so that nothing is bought."""
    tasks = {status.upper() for status in task_statuses}
    if any(is_final_task(status) for status in tasks):
        return tasks <= {"FAILED", "CANCELLED"}
    return (order_status or "").lower() in {"cancelled", "failed"}


def _is_final_order(status: str | None) -> bool:
    return (status or "").lower() in {"completed", "failed", "cancelled"}


def _after_post(order: Standing, post: PostEnded) -> Decision:
    retry_after = post.trouble.retry_after_seconds if post.trouble else None
    match post.outcome:
        case PostOutcome.PLACED:
            decided = is_final_task(post.task_status) or _is_final_order(post.order_status)
            return _open(post.payment_url, Wait.TURN if decided else None)
        case PostOutcome.NOT_SENT:
            return Decision(PENDING, Wait.RETRY, attention=order.attention, retry_after_seconds=retry_after)
        case PostOutcome.HELD_OFF:
            attention = _refused(post.trouble) or order.attention
            return Decision(PENDING, Wait.RETRY, attention=attention, retry_after_seconds=retry_after)
        case PostOutcome.REJECTED if post.first:
            detail = "CloudPress refused the order" + (
                f": {'; '.join(post.reasons)}" if post.reasons else "."
            )
            return Decision(FAILED, Wait.NOTHING, problem=Problem("rejected", detail, post.reasons))
        case PostOutcome.REJECTED | PostOutcome.UNKNOWN:
            # A later attempt can be refused *because* an earlier one landed.
            return Decision(UNCONFIRMED, Wait.LOOK_UP, retry_after_seconds=retry_after)


def _refused(trouble: Trouble | None) -> Attention | None:
    """Ask for attention where CloudPress refuses the deployment rather than the order."""
    status = trouble.status if trouble else None
    if status in {401, 403}:
        return Attention(
            CREDENTIALS_REFUSED,
            f"CloudPress answered {status}: check the account's API token, its list of allowed addresses "
            "and that the account is no trial. The order goes on by itself once CloudPress accepts it.",
        )
    if status is not None and 300 <= status < 400:
        return Attention(
            "redirected",
            f"CloudPress answered {status}, a redirect: check CLOUDPRESS_BASE_URL. The order goes on by "
            "itself once the address is right.",
        )
    if status is not None and 400 <= status < 500 and status not in {404, 408, 429}:
        return Attention(
            "refused",
            f"CloudPress answered {status}, which is not about the order: ask its support why. The order "
            "is sent again by itself.",
        )
    return None


def _still_looking(order: Standing, sought: NotFoundYet, now: datetime) -> Decision:
    if sought.is_nowhere and sought.unwanted:
        return Decision(CANCELLED, Wait.NOTHING, late_look=True)
    if sought.is_nowhere and sought.placing:
        return Decision(PENDING, Wait.TURN)
    attention = _refused(sought.trouble)
    # Half a look-up tells nothing new, so what was said before stands.
    if attention is None and (sought.trouble is not None or sought.unfinished):
        attention = order.attention
    if attention is None and now >= sought.grace_ends_at:
        attention = _unconfirmed(sought)
    if sought.trouble is not None:
        retry_after = sought.trouble.retry_after_seconds
        return Decision(UNCONFIRMED, Wait.RETRY, attention=attention, retry_after_seconds=retry_after)
    return Decision(UNCONFIRMED, Wait.TURN if sought.unfinished else Wait.LOOK_UP, attention=attention)


def _unconfirmed(sought: NotFoundYet) -> Attention:
    """Tell the operator why an order is neither found nor placed again, and what to do."""
    resolve = "Then resolve the order: adopt that CloudPress order, place again, or fail."
    if len(sought.candidates) > 1 or (sought.candidates and sought.look_alike):
        return Attention(
            "placement_ambiguous",
            f"More than one order could be CloudPress's {_listed(sought.candidates)}. Find out in CloudPress "
            f"which one is this order's. {resolve}",
        )
    if sought.suspects:
        return Attention(
            "placement_suspected",
            f"CloudPress has {_listed(sought.suspects)}, which may be this order: without a readable site, "
            f"or with a name like it. Look at them in CloudPress. {resolve}",
        )
    if sought.called_back:
        return Attention(
            "placement_called_back",
            "A callback was let in for this order, so CloudPress has it, but which one it is was not found. "
            f"Look for it in CloudPress by its site's name. {resolve}",
        )
    return Attention(
        "placement_unconfirmed",
        "The order was sent to CloudPress, and whether it arrived is not known yet. Presshook goes on "
        "looking, and sends it again only once it is surely not there. Or look for it in CloudPress "
        f"yourself. {resolve}",
    )


def _listed(order_ids: tuple[str, ...]) -> str:
    return ", ".join(order_ids[:5]) + (" and others" if len(order_ids) > 5 else "")


def _resolved(resolved: Resolved) -> Decision:
    if resolved.status is FAILED:
        problem = Problem("failed_by_operator", f"Given up by {resolved.by}.")
        return Decision(FAILED, Wait.NOTHING, problem=problem)
    return Decision(PENDING, Wait.TURN)


def duplicate_attention(held: str | None, others: Iterable[str]) -> Attention:
    """Say that CloudPress may have an order twice, or one that was taken for never made."""
    if held is None:
        return Attention(
            DUPLICATE,
            f"CloudPress has {_listed(tuple(others))}, which looks like this order, of which it seemed not "
            "to have heard. Look at it in CloudPress, and cancel it there if nobody wants it; this goes once "
            "it is. If it is another's, resolve the order: dismiss duplicates.",
        )
    return Attention(
        DUPLICATE,
        f"CloudPress may have this order twice: it is {held}, and "
        f"{_listed(tuple(others))} looks like it. Compare them in CloudPress and cancel the one too many; "
        "this goes once it is. If both are wanted, resolve the order: dismiss duplicates.",
    )


def _open(payment_url: str | None, wait: Wait | None = None) -> Decision:
    if payment_url:
        return Decision(AWAITING_PAYMENT, wait or Wait.PAYMENT, payment_url=payment_url)
    return Decision(PROVISIONING, wait or Wait.TASK)


def _seen(order: Standing, seen: Seen, now: datetime) -> Decision:
    final = _final(seen)
    if final is not None:
        return final
    if seen.order_status is None:
        # The order itself was not shown, so neither was whether a payment is awaited.
        status = order.status if order.status in PLACED else PROVISIONING
        shown = Decision(status, Wait.TASK, keeps_payment_url=True)
    else:
        shown = _open(seen.payment_url, Wait.SETTLING if _settling(seen) else None)
    if seen.trouble is not None:
        return replace(
            shown,
            wait=Wait.RETRY,
            # Nothing was learned, so no cause has gone.
            attention=_refused(seen.trouble) or order.attention,
            retry_after_seconds=seen.trouble.retry_after_seconds,
        )
    if seen.missing and seen.cancel_accepted and seen.order_status is None:
        return Decision(CANCELLED, Wait.NOTHING)
    if seen.cancel_accepted:
        return replace(shown, wait=Wait.SETTLING, missing=seen.missing)
    if seen.missing:
        return replace(shown, wait=Wait.SETTLING, attention=_missing(order, now), missing=True)
    return replace(shown, missing=False)


def _final(seen: Seen) -> Decision | None:
    """Return the final decision, if what was seen allows one."""
    tasks = {status.upper() for status in seen.tasks}
    own = (seen.order_status or "").lower()
    no_task_is_final = not any(is_final_task(status) for status in tasks)
    if "FAILED" in tasks:
        problem = Problem("task_failed", "CloudPress's task for this order failed.")
        return Decision(FAILED, Wait.NOTHING, problem=problem)
    if "CANCELLED" in tasks or (no_task_is_final and own == "cancelled"):
        return Decision(CANCELLED, Wait.NOTHING)
    if no_task_is_final and own == "failed":
        problem = Problem("order_failed", "CloudPress reports that the order failed.")
        return Decision(FAILED, Wait.NOTHING, problem=problem)
    if seen.site_read and _settling(seen):
        return Decision(COMPLETED, Wait.NOTHING)
    return None


def is_decided(seen: Seen) -> bool:
    """Tell whether CloudPress shows that it has finished with an order, one way or another."""
    return _final(seen) is not None or _settling(seen)


def _settling(seen: Seen) -> bool:
    """Tell whether only the site's details can be missing.

    Where a request for the order or for one of its tasks failed, a task that is not known of may still run.
    """
    return seen.trouble is None and is_done(seen.order_status, seen.tasks)


def _missing(order: Standing, now: datetime) -> Attention | None:
    since = order.missing_since
    if since is None or now - since < timedelta(seconds=MISSING_ATTENTION_SECONDS):
        return None
    return Attention(
        "not_found",
        "CloudPress has answered 404 for this order, its task or its site for a day. Ask CloudPress what "
        "became of it; Presshook goes on asking.",
    )
