"""Cancels an order because its client asks for it: at CloudPress, or here if that has not heard of it."""

from dataclasses import replace

from app.cloudpress import CloudPressError, NotSent, Refused
from app.orders.attempts import nothing_landed
from app.orders.cancelling import cancelling_of, was_perhaps_cancelled
from app.reconciler.concluding import apply
from app.reconciler.disowning import disowned
from app.reconciler.findings import Findings
from app.reconciler.holding_back import held_back, is_held_back_by, is_its_own_by_now
from app.reconciler.observing import Observer
from app.reconciler.passes import Pass, PassResult, trouble_of
from app.reconciler.reappearing import has_reappeared
from app.reconciler.writing import Held
from app.states import Reappeared, Rechecked, Seen, Unwanted, is_decided, refuses_to_cancel


async def drop(this: Pass) -> PassResult | None:
    """Cancel a pending order, unless something speaks for its being at CloudPress already."""

    async def write(held: Held) -> PassResult:
        placements = await held.loaded.placements(held.order.id)
        observation: Unwanted | Reappeared = Unwanted(was_sent=not nothing_landed(placements))
        if await has_reappeared(held):
            observation = Reappeared()
        return await apply(this, held, "cancel", observation)

    return await this.write(write)


async def cancel(this: Pass, cloudpress_order_id: str, seen: Seen) -> Seen | Rechecked:
    """Ask CloudPress to cancel an order that was seen open just now, and look at what it shows then.

    Whatever it answered, what it shows decides: the payment or the completion may have been faster. Nothing
    is asked where the order may have turned out to be another's while the pass looked.
    """
    if seen.trouble is not None or is_decided(seen):
        return seen
    was_asked = was_perhaps_cancelled(this.order)
    if not await this.write(lambda held: _is_to_be_cancelled(this, held), is_last=False):
        return seen
    refusal = None
    try:
        await this.cancel(cloudpress_order_id)
    except CloudPressError as error:
        if not (isinstance(error, Refused) and refuses_to_cancel(error.status)):
            this.findings.cancel_unanswered = was_asked or _may_have_cancelled(error)
            return replace(seen, trouble=trouble_of(error))
        refusal = error
    observer = Observer(this)
    looked = await observer.look(cloudpress_order_id)
    nothing_to_cancel = _hear(this, refusal, looked, was_asked=was_asked)
    is_held_back = is_held_back_by(this, observer.unshown_tasks)
    if is_held_back or observer.disowned_for or observer.may_be_anothers:
        nothing_to_cancel = _tell_nothing(this.findings)
    if is_held_back:
        return held_back(this.findings, seen.rechecked, looked.trouble)
    if observer.disowned_for:  # so whatever it answered was said of another's
        return await disowned(this, seen.rechecked, observer.disowned_for, looked.trouble)
    return replace(
        looked,
        rechecked=seen.rechecked,
        cancel_accepted=this.findings.cancel_accepted,
        nothing_to_cancel=nothing_to_cancel,
    )


def _hear(this: Pass, refusal: Refused | None, looked: Seen, *, was_asked: bool) -> bool:
    """Find what an answer to the request to cancel says, which the look after it may bend.

    Returns whether an earlier request may have been done: the order is gone, and there is nothing to cancel.
    """
    findings = this.findings
    is_404 = refusal is not None and refusal.status == 404
    # What it has agreed to cancel may be gone by now: that is its yes still, and no refusal.
    if refusal is None or (is_404 and this.order.cancel_accepted_at is not None):
        findings.cancel_accepted, findings.cancel_unanswered = True, False
    elif looked.is_gone and is_404:
        # It may be gone since an earlier request, the answer to which was lost. That has to last. Where
        # there was none, CloudPress just does not show it: it is asked again.
        findings.cancel_unanswered = was_asked
        return was_asked
    elif looked.order_status is None and (was_asked or (is_404 and looked.trouble is not None)):
        # What is no longer in progress may have been cancelled by the earlier request: only the order tells.
        findings.cancel_unanswered = was_asked
    else:
        findings.cancel_refusal = refusal.errors or (f"CloudPress answered {refusal.status}.",)
        findings.cancel_unanswered = False
    return False


def _tell_nothing(findings: Findings) -> bool:
    """Tell nobody of an answer that may be about another's: the order has been cancelled perhaps, or not.

    What CloudPress has turned away it has not done, whatever it does not show later.
    """
    if findings.cancel_accepted:
        findings.cancel_accepted, findings.cancel_unanswered = False, True
    findings.cancel_refusal = None
    return False


def _may_have_cancelled(error: CloudPressError) -> bool:
    """Tell whether a request to cancel that failed may have been done all the same."""
    if isinstance(error, Refused):
        return error.status == 408 or error.status >= 500
    return not isinstance(error, NotSent)


async def _is_to_be_cancelled(this: Pass, held: Held) -> bool:
    if held.order.cancel_requested_at is None or not await is_its_own_by_now(this, held):
        return False
    held.order.cancel_unanswered = cancelling_of(held.order)  # until the answer is written, which may be lost
    return True
