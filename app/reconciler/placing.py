"""Places an order: intent, request, answer. The one place from which an order is sent to CloudPress."""

import asyncio

from app.cloudpress import CloudPressError, NotSent, Refused, SiteOrder
from app.db.models import Order
from app.reconciler.answers import Posted, record_end, record_for_sure
from app.reconciler.intents import Intent, intend
from app.reconciler.passes import Pass, PassResult, trouble_of
from app.states import PostEnded, PostOutcome, Trouble, outcome_of_refusal

RECORD_GRACE_SECONDS = 2.0
# What is left of the lease after the request, so that whoever takes the order over finds it ended.
LEASE_MARGIN = 0.99
CUT_OFF = Trouble("cut_off")


async def place(this: Pass) -> PassResult | None:
    """Send a pending order to CloudPress, once, and record how that ended.

    Returns None if the order was no longer ours to send, or is no longer ours to change.
    """
    intending = asyncio.ensure_future(intend(this))
    try:
        intended = await asyncio.shield(intending)
    except asyncio.CancelledError:
        await _take_back(this, intending)
        raise
    if not isinstance(intended, Intent):
        return intended
    try:
        await this.turn.begin_request(_time_to_send_seconds(this))
    except NotSent as error:
        return await record_for_sure(this, intended, _not_sent(intended, trouble_of(error)))
    except asyncio.CancelledError:
        await asyncio.shield(record_end(this, intended, _not_sent(intended, CUT_OFF)))
        raise
    try:
        posted = await _post(this, intended)
    except asyncio.CancelledError:
        # The process ends. Unless this is written, the order waits for the lease to run out.
        unknown = Posted(PostEnded(PostOutcome.UNKNOWN, intended.first))
        await asyncio.shield(record_end(this, intended, unknown))
        raise
    finally:
        this.turn.end_request()
    recording = asyncio.ensure_future(record_for_sure(this, intended, posted))
    try:
        return await asyncio.shield(recording)
    except asyncio.CancelledError:
        # The process ends, and the answer is worth a moment more.
        await asyncio.wait([recording], timeout=RECORD_GRACE_SECONDS)
        raise


async def _take_back(this: Pass, intending: asyncio.Future[Intent | PassResult | None]) -> None:
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


def _time_to_send_seconds(this: Pass) -> float:
    """Return for how long the request may still wait, so that it has ended well before the lease has."""
    return this.claim.seconds_left() * LEASE_MARGIN - this.dependencies.upstream_timeout_seconds / 2


async def _post(this: Pass, intent: Intent) -> Posted:
    dependencies, order, first = this.dependencies, this.order, intent.first
    if _time_to_send_seconds(this) < 0:
        # The commit of the intent took so long that another replica could take the order meanwhile.
        return _not_sent(intent, Trouble("lease_too_short"))
    timeout_seconds = min(dependencies.upstream_timeout_seconds, this.claim.seconds_left() * LEASE_MARGIN)
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
        this.note(error.date)
        outcome = outcome_of_refusal(
            error.status,
            is_own_form=error.is_own_form,
            is_known_host=error.is_known_host,
            retry_after_seconds=error.retry_after_seconds,
        )
        return Posted(PostEnded(outcome, first, reasons=error.errors, trouble=trouble_of(error)))
    except CloudPressError as error:
        return Posted(PostEnded(PostOutcome.UNKNOWN, first, trouble=trouble_of(error)))
    this.note(answer.date)
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
