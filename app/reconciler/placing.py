"""Places an order: intent, request, answer. The one place from which an order is sent to CloudPress."""

import asyncio

from app.cloudpress import CloudPressError, NotSent, Refused, SiteOrder
from app.db.models import Order
from app.queue import leases
from app.reconciler.answers import Posted, record_end, record_for_sure
from app.reconciler.intents import TURN_FIRST, Intent, TurnFirst, intend
from app.reconciler.passes import Pass, PassResult, trouble_of
from app.reconciler.turns import MOST_WAIT_SECONDS
from app.states import PostEnded, PostOutcome, Trouble, outcome_of_refusal

RECORD_GRACE_SECONDS = 2.0
# What is left of the lease after the request, so that whoever takes the order over finds it ended.
LEASE_MARGIN = 0.99
CUT_OFF = Trouble("cut_off")


async def place(this: Pass) -> PassResult | None:
    """Send a pending order to CloudPress, once, and record how that ended.

    Returns None if the order was no longer ours to send, or is no longer ours to change, or was given back.
    """
    intended = await _intend(this)
    return await _send(this, intended) if isinstance(intended, Intent) else intended


async def _intend(this: Pass) -> Intent | PassResult | None:
    """Commit the intent, in the pass's turn or, for what was never sent, shortly before it."""
    patience_seconds = this.dependencies.lease_reserve_seconds
    while (intended := await _write_intent(this)) is TURN_FIRST:
        if not await this.turn.take(patience_seconds, uptime=this.claim.clock.uptime):
            await leases.give_back(this.dependencies.db, this.claim)
            return None
    return intended


async def _write_intent(this: Pass) -> Intent | PassResult | TurnFirst | None:
    intending = asyncio.ensure_future(intend(this))
    try:
        return await asyncio.shield(intending)
    except asyncio.CancelledError:
        await _take_back(this, intending)
        raise


async def _send(this: Pass, intent: Intent) -> PassResult | None:
    try:
        posted = await _wait_for_turn(this, intent)
    except asyncio.CancelledError:
        await asyncio.shield(record_end(this, intent, _not_sent(intent, CUT_OFF)))
        raise
    try:
        posted = posted or await _post(this, intent)
    except asyncio.CancelledError:
        # The process ends. Unless this is written, the order waits for the lease to run out.
        unknown = Posted(PostEnded(PostOutcome.UNKNOWN, intent.first))
        await asyncio.shield(record_end(this, intent, unknown))
        raise
    this.turn.leave(is_post=True, counts=posted.ended.outcome is not PostOutcome.NOT_SENT)
    recording = asyncio.ensure_future(record_for_sure(this, intent, posted))
    try:
        return await asyncio.shield(recording)
    except asyncio.CancelledError:
        # The process ends, and the answer is worth a moment more.
        await asyncio.wait([recording], timeout=RECORD_GRACE_SECONDS)
        raise


async def _wait_for_turn(this: Pass, intent: Intent) -> Posted | None:
    """Wait for the pass's turn where that is still to come; return how it ended if it took too long.

    What the intent was decided on is no older than that then. And the attempt's time, from which the grace
    and all windows are counted, is that of its request.
    """
    turn = this.turn
    if not turn.is_in_line or await turn.take(MOST_WAIT_SECONDS, uptime=this.claim.clock.uptime):
        return None
    turn.was_slow()
    return _not_sent(intent, Trouble("no_time"))


async def _take_back(this: Pass, intending: asyncio.Future[Intent | PassResult | TurnFirst | None]) -> None:
    """Record that nothing was sent, if an intent is written although its pass was cut off meanwhile.

    What others write goes with it, so that it is not given up with the pass. Without this the order would be
    taken for cut off by whoever claims it next.
    """
    await asyncio.wait([intending], timeout=RECORD_GRACE_SECONDS)
    if not intending.done() or intending.cancelled() or intending.exception() is not None:
        return
    if isinstance(intent := intending.result(), Intent):
        await asyncio.shield(record_end(this, intent, _not_sent(intent, CUT_OFF)))


def _not_sent(intent: Intent, trouble: Trouble) -> Posted:
    return Posted(PostEnded(PostOutcome.NOT_SENT, intent.first, trouble=trouble))


async def _post(this: Pass, intent: Intent) -> Posted:
    dependencies, order, first = this.dependencies, this.order, intent.first
    timeout_seconds = min(dependencies.upstream_timeout_seconds, this.claim.seconds_left() * LEASE_MARGIN)
    if timeout_seconds < dependencies.upstream_timeout_seconds / 2:
        # The commit of the intent took so long that another replica could take the order meanwhile.
        return _not_sent(intent, Trouble("lease_too_short"))
    try:
        answer = await this.cloudpress.place(
            _site_of(order),
            callback_url=dependencies.callback_url(order.id),
            callback_authorization=dependencies.callback_signer.authorization(order.id),
            timeout_seconds=timeout_seconds,
        )
    except NotSent as error:
        return _not_sent(intent, trouble_of(error))
    except Refused as error:
        this.note(error)
        outcome = outcome_of_refusal(
            error.status,
            is_own_form=error.is_own_form,
            is_known_host=error.is_known_host,
            retry_after_seconds=error.retry_after_seconds,
        )
        return Posted(PostEnded(outcome, first, reasons=error.errors, trouble=trouble_of(error)))
    except CloudPressError as error:
        return Posted(PostEnded(PostOutcome.UNKNOWN, first, trouble=trouble_of(error)))
    this.note(answer)
    placed = answer.value
    ended = PostEnded(
        PostOutcome.PLACED,
        first,
        order_status=placed.order_status,
        task_status=placed.task.status if placed.task else None,
        payment_url=placed.payment_url,
        odd_payment_url=placed.asks_for_payment and placed.payment_url is None,
    )
    return Posted(ended, answer)


def _site_of(order: Order) -> SiteOrder:
    return SiteOrder(
        name=order.site_name,
        variant=order.variant,
        location=order.location,
        plan=order.plan,
        return_url=order.return_url,
    )
