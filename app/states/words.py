"""CloudPress's words: what its statuses mean, and its answers to a request that is not carried out.

The provider's page lists the statuses of tasks; those of orders are its open ancestor's. A status that nobody
listed, in any letter case, is not final.
"""

from collections.abc import Iterable
from enum import StrEnum

KNOWN_TASK_STATUSES = frozenset({"PENDING", "RUNNING", "OK", "FAILED", "CANCELLED", "PAUSED"})
FINAL_TASK_STATUSES = frozenset({"OK", "FAILED", "CANCELLED"})
FINAL_ORDER_STATUSES = frozenset({"completed", "failed", "cancelled"})
KNOWN_ORDER_STATUSES = FINAL_ORDER_STATUSES | {"open", "pending", "awaiting_payment", "processing"}


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
"""Outcomes after which CloudPress surely has made no order. An attempt without an outcome was cut off."""


def may_have_landed(outcome: str | None) -> bool:
    """Tell whether an attempt that ended so, or without an outcome, can have made an order."""
    return outcome not in NOTHING_LANDED


REFUSALS_FOR_GOOD = frozenset({400, 402, 404, 409, 422})
"""Statuses that CloudPress refuses an order with for what is in it."""
HARMLESS_REDIRECTS = frozenset({301, 307, 308})
"""Those that ask for the same request elsewhere.

The others may say where to find what was made. (RFC 9110, 15.4)
"""


def outcome_of_refusal(
    status: int, *, is_own_form: bool, is_known_host: bool, retry_after_seconds: float | None
) -> PostOutcome:
    """Say what a status other than 2xx, in answer to a request to place an order, means for it.

    A proxy's refusal says nothing of what became of a request, so most count only in CloudPress's own form;
    that too much is asked also where CloudPress has answered before. A 503 does not: a proxy says it, with
    `Retry-After`, of a request that its backend broke off, whatever that had done by then (Varnish). Whatever
    is not known not to have landed may have.
    """
    is_told_when = retry_after_seconds is not None
    if status in HARMLESS_REDIRECTS:
        return PostOutcome.HELD_OFF
    if status in REFUSALS_FOR_GOOD and is_own_form:
        return PostOutcome.REJECTED
    if status in {401, 403, 429} and is_own_form:
        return PostOutcome.HELD_OFF
    if is_told_when and ((status == 503 and is_own_form) or (status == 429 and is_known_host)):
        return PostOutcome.HELD_OFF
    return PostOutcome.UNKNOWN


def refuses_to_cancel(status: int) -> bool:
    """Tell whether a status other than 2xx means that an order will not be cancelled, rather than not now."""
    return 400 <= status < 500 and status not in {401, 403, 408, 429}


def is_known_task_status(status: str) -> bool:
    """Tell whether the provider's page lists a task's status."""
    return status.upper() in KNOWN_TASK_STATUSES


def is_known_order_status(status: str) -> bool:
    """Tell whether the provider's open ancestor uses an order's status."""
    return status.lower() in KNOWN_ORDER_STATUSES


def is_final_task(status: str | None) -> bool:
    """Tell whether a task's status is final."""
    return (status or "").upper() in FINAL_TASK_STATUSES


def is_final_order(status: str | None) -> bool:
    """Tell whether an order's own status is final."""
    return (status or "").lower() in FINAL_ORDER_STATUSES


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
