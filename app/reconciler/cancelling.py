"""Cancels an order because its client asks for it: at CloudPress, or here if that has not heard of it."""

from dataclasses import replace

from app.cloudpress import CloudPressError, Refused
from app.orders.attempts import nothing_landed
from app.reconciler.concluding import apply
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
    was_unanswered, nothing_to_cancel = this.order.cancel_unanswered, False
    if not await this.write(lambda held: _is_to_be_cancelled(this, held), is_last=False):
        return seen
    try:
        await this.cancel(cloudpress_order_id)
        this.findings.cancel_accepted, this.findings.cancel_unanswered = True, False
    except Refused as error:
        if not refuses_to_cancel(error.status):
            return replace(seen, trouble=trouble_of(error))
        if error.status == 404 and this.order.cancel_accepted_at is not None:
            # What it has agreed to cancel may be gone by now: that is its yes still, and no refusal.
            this.findings.cancel_accepted = True
        elif error.status == 404 and seen.is_gone:
            # It may be gone since an earlier request, the answer to which was lost. That has to last. Where
            # there was none, CloudPress just does not show it: it is asked again.
            nothing_to_cancel = this.findings.cancel_unanswered = was_unanswered
        else:
            this.findings.cancel_refusal = error.errors or (f"CloudPress answered {error.status}.",)
            this.findings.cancel_unanswered = False
    except CloudPressError as error:
        return replace(seen, trouble=trouble_of(error))
    observer = Observer(this)
    looked = await observer.look(cloudpress_order_id)
    if is_held_back_by(this, observer.unshown_tasks):
        return held_back(this.findings, seen.rechecked, looked.trouble)
    return replace(
        looked,
        rechecked=seen.rechecked,
        cancel_accepted=this.findings.cancel_accepted,
        nothing_to_cancel=nothing_to_cancel,
    )


async def _is_to_be_cancelled(this: Pass, held: Held) -> bool:
    if held.order.cancel_requested_at is None or not await is_its_own_by_now(this, held):
        return False
    held.order.cancel_unanswered = True  # until the answer is written, which may be lost
    return True
