"""What becomes of an order that CloudPress shows. Pure."""

from dataclasses import replace
from datetime import timedelta

from app.states import attention
from app.states.codes import Attention, AttentionCode, ErrorCode, Problem
from app.states.decision import Decision, Wait
from app.states.observations import PostEnded, Seen
from app.states.standing import Standing
from app.states.statuses import AWAITING_PAYMENT, CANCELLED, COMPLETED, FAILED, PLACED, PROVISIONING
from app.states.words import is_done, is_final_task

MISSING_ATTENTION_SECONDS = 24 * 3600
GONE_AFTER = timedelta(minutes=10)
"""An order that CloudPress agreed to cancel, and does not show for as long, is taken for cancelled."""


def under_way(shown: PostEnded | Seen, wait: Wait | None = None) -> Decision:
    """Return that an order awaits a payment or is made, by what CloudPress has shown of it."""
    if shown.payment_url:
        return Decision(AWAITING_PAYMENT, wait or Wait.PAYMENT, payment_url=shown.payment_url)
    if shown.odd_payment_url:
        return Decision(AWAITING_PAYMENT, wait or Wait.PAYMENT, attention=attention.NO_PAYMENT_PAGE)
    return Decision(PROVISIONING, wait or Wait.TASK)


def by_what_is_seen(order: Standing, seen: Seen) -> Decision:
    """Say what becomes of a placed order by what CloudPress shows of it."""
    final = _final(seen)
    if final is not None:
        return final
    if seen.order_status is None:
        # The order itself was not shown, so neither was whether a payment is awaited.
        status = order.status if order.status in PLACED else PROVISIONING
        shown = Decision(status, Wait.TASK, keeps_payment_url=True)
    else:
        shown = under_way(seen, Wait.SETTLING if _settling(seen) else None)
    if seen.trouble is not None:
        return replace(
            shown,
            wait=Wait.RETRY,
            # Nothing was learned, so no cause has gone.
            attention=attention.refused(seen.trouble) or order.attention,
            retry_after_seconds=seen.trouble.retry_after_seconds,
        )
    if seen.cancel_accepted or (seen.nothing_to_cancel and seen.is_gone):
        return _being_cancelled(order, seen, shown)
    if seen.foreign:
        missing = True if seen.missing else None
        # Nor is a payment asked for what may be another's.
        shown = replace(shown, payment_url=None, keeps_payment_url=False)
        return replace(shown, wait=Wait.SETTLING, attention=attention.FOREIGN_LINK, missing=missing)
    if seen.missing:
        asked = _asked_beside_404(order, seen, shown)
        return replace(shown, wait=Wait.SETTLING, attention=asked, missing=True)
    return replace(shown, missing=False)


def _being_cancelled(order: Standing, seen: Seen, shown: Decision) -> Decision:
    """Say what becomes of an order that CloudPress has agreed to cancel: one that it shows no more is over.

    So is one of which it says so where it is asked to cancel it: it has heard that before, perhaps.
    A single 404 may be another's word, as the yes may have been: it has to last, and no task may be shown.
    """
    if seen.is_gone and order.gone_for >= GONE_AFTER:
        return Decision(CANCELLED, Wait.NOTHING)
    return replace(shown, wait=Wait.SETTLING, missing=seen.is_gone)


def _asked_beside_404(order: Standing, seen: Seen, shown: Decision) -> Attention | None:
    """Say what a person is asked where something known was answered with 404.

    That refutes nothing of what was said about what CloudPress shows: it may show the same again.
    """
    before = order.attention
    if before is not None and before.code is AttentionCode.FOREIGN_LINK:
        return before
    asked = _missing(order) or shown.attention
    if asked is None and before is not None and before.code is AttentionCode.PAYMENT_URL_UNUSABLE:
        return before if seen.order_status is None else None
    return asked


def _final(seen: Seen) -> Decision | None:
    """Return the final decision, if what was seen allows one."""
    tasks = {status.upper() for status in seen.tasks}
    own = (seen.order_status or "").lower()
    no_task_is_final = not any(is_final_task(status) for status in tasks)
    if "FAILED" in tasks:
        problem = Problem(ErrorCode.TASK_FAILED, "CloudPress's task for this order failed.")
        return Decision(FAILED, Wait.NOTHING, problem=problem)
    if "CANCELLED" in tasks or (no_task_is_final and own == "cancelled"):
        return Decision(CANCELLED, Wait.NOTHING)
    if no_task_is_final and own == "failed":
        problem = Problem(ErrorCode.ORDER_FAILED, "CloudPress reports that the order failed.")
        return Decision(FAILED, Wait.NOTHING, problem=problem)
    if seen.site_read and not seen.foreign and _settling(seen):
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


def _missing(order: Standing) -> Attention | None:
    is_lasting = order.missing_for >= timedelta(seconds=MISSING_ATTENTION_SECONDS)
    return attention.MISSING if is_lasting else None
