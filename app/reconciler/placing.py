"""Places an order: intent, request, answer. The one place from which an order is sent to CloudPress."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError

from app.cloudpress import Answer, CloudPressError, NotSent, Placed, Refused, SiteOrder
from app.db.errors import DATABASE_AWAY, sqlstate_of
from app.db.models import RESTORED, LookUp, Order, Placement
from app.events.timeline import record
from app.events.types import EventType
from app.orders.attempts import nothing_landed
from app.orders.changing import changing
from app.orders.orphans import doubt, orphans_like
from app.orders.waking import make_due
from app.queue import leases
from app.queue.leases import Claim
from app.reconciler.concluding import apply
from app.reconciler.evidence import ANSWER, has_reappeared
from app.reconciler.passes import Pass, PassResult, trouble_of
from app.reconciler.progress import Progress
from app.reconciler.window import Now
from app.reconciler.writing import Held
from app.states import (
    LATE_LOOK_AFTER,
    OrderStatus,
    Overdue,
    PlacingOff,
    PostEnded,
    PostOutcome,
    Reappeared,
    Trouble,
    may_have_landed,
    outcome_of_refusal,
)

RECORD_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
RECORD_TRIES = 120
RECORD_GRACE_SECONDS = 2.0
# What is left of the lease after the request, so that whoever takes the order over finds it ended.
LEASE_MARGIN = 0.99
PLACE_AGAIN = "place_again"
"""What an operator decides who has an order placed again."""
# An order that could not be sent for so long may not be wanted any more.
GIVEN_UP_AFTER = timedelta(days=1)
# What look-ups have shown is good for as long as lies between two of them, and for what a pass takes.
SHORTEST_LOOK_UP_LIFE_SECONDS = 10.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Intent:
    """The committed intent to place an order; `first` says that no earlier attempt can have made one."""

    attempt: int
    first: bool
    claim: Claim[Order] = field(repr=False)
    """The lease, which was renewed for it."""


@dataclass(frozen=True)
class Posted:
    """How a request to place an order ended."""

    ended: PostEnded
    answer: Answer[Placed] | None = None

    @property
    def cloudpress_order_id(self) -> str | None:
        """The id that CloudPress answered with."""
        return self.answer.value.order_id if self.answer else None

    def bare(self) -> "Posted":
        """Return the same without any text of CloudPress's but the order's id; the raw answer holds all."""
        answer = self.answer and replace(self.answer, value=Placed(order_id=self.answer.value.order_id))
        ended = replace(self.ended, reasons=(), order_status=None, task_status=None, payment_url=None)
        return Posted(ended, answer)


async def place(this: Pass) -> PassResult | None:
    """Send a pending order to CloudPress, once, and record how that ended.

    Returns None if the order was no longer ours to send, or is no longer ours to change.
    """
    intending = asyncio.ensure_future(_intend(this))
    try:
        intended = await asyncio.shield(intending)
    except asyncio.CancelledError:
        await _take_back(this, intending)
        raise
    if not isinstance(intended, Intent):
        return intended
    try:
        posted = await _post(this, intended)
    except asyncio.CancelledError:
        # The process ends. Unless this is written, the order waits for the lease to run out.
        unknown = Posted(PostEnded(PostOutcome.UNKNOWN, intended.first))
        await asyncio.shield(_record(this, intended, unknown))
        raise
    recording = asyncio.ensure_future(_record_for_sure(this, intended, posted))
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
        ended = PostEnded(PostOutcome.NOT_SENT, intent.first, trouble=Trouble("cut_off"))
        await asyncio.shield(_record(this, intent, Posted(ended)))


async def _intend(this: Pass) -> Intent | PassResult | None:
    """Commit that the order is about to be sent, under a lease that is renewed for it.

    Where something speaks against it that has come up since it was decided, that is seen to first: the result
    is returned. None if it is no longer ours to send.
    """
    intended = await this.write(lambda held: _write_intent_unless(this, held), is_last=False)
    if isinstance(intended, Intent):
        this.claim = intended.claim
    return intended


async def _write_intent_unless(this: Pass, held: Held) -> Intent | PassResult | None:
    """Write the intent, or see to what speaks against it."""
    tx, order, loaded = held.tx, held.order, held.loaded
    if order.status != OrderStatus.PENDING:
        return None
    if order.cancel_requested_at is not None:
        leases.release(tx, order, this.claim, tx.now)  # dropping it needs no request
        return None
    earlier = await loaded.placements(order.id)
    if await has_reappeared(held):
        return await apply(this, held, "reappeared", Reappeared())
    if not any(attempt.callback_key_id == RESTORED for attempt in earlier):
        if not await loaded.is_searched(order.account_id):
            # A search that fails for a day is told, as all that keeps an order from being sent.
            unsent = Overdue() if is_overdue(order, tx.now) else PlacingOff()
            return await apply(this, held, "orphans_unknown", unsent)
        if await loaded.was_restored() and await orphans_like(tx.session, order):
            await doubt(tx, order)
            return await apply(this, held, "orphan_suspected", Reappeared())
    if is_overdue(order, tx.now):
        return await apply(this, held, "overdue", Overdue())
    if not nothing_landed(earlier) and (
        _is_left_to_people(this, order) or await _has_to_look_again(this, held, earlier)
    ):
        return await apply(this, held, "look_again", Reappeared())
    return await _write_intent(this, held, earlier)


def is_overdue(order: Order, now: datetime) -> bool:
    """Tell whether an order could not be sent for so long that a person has to say whether it is wanted."""
    resolution = order.resolution or {}
    asked_at = resolution.get("at") if resolution.get("action") == PLACE_AGAIN else None
    since = datetime.fromisoformat(asked_at) if asked_at else order.created_at
    return now - since > GIVEN_UP_AFTER


def _is_left_to_people(this: Pass, order: Order) -> bool:
    """Tell whether nobody has asked for the order to be sent again, and people decide since then."""
    is_asked_for = (order.resolution or {}).get("action") == PLACE_AGAIN
    return not this.dependencies.may_place_again and not is_asked_for


async def _has_to_look_again(this: Pass, held: Held, earlier: Sequence[Placement]) -> bool:
    """Tell whether what look-ups have shown of an order, which is to be sent once more, is old by now."""
    tx = held.tx
    attempt = max(placement.attempt for placement in earlier if may_have_landed(placement.outcome))
    progress = Progress.of(await tx.session.get(LookUp, held.order.id), attempt)
    age_seconds = progress.age_seconds(Now(tx.now, tx.clock.boot, tx.began_at_uptime))
    interval_seconds = max(this.dependencies.schedule.look_up_seconds, SHORTEST_LOOK_UP_LIFE_SECONDS)
    if age_seconds is not None and age_seconds <= interval_seconds:
        return False
    progress.look_again()
    held.findings.look_up = progress
    return True


async def _write_intent(this: Pass, held: Held, earlier: list[Placement]) -> Intent:
    tx, order = held.tx, held.order
    attempt = max((placement.attempt for placement in earlier), default=0) + 1
    first = nothing_landed(earlier)
    if not first:
        order.late_look_at = tx.now + LATE_LOOK_AFTER
    placement = Placement(
        order_id=order.id,
        attempt=attempt,
        sent_at=tx.now,
        sent_boot=tx.clock.boot,
        sent_uptime=tx.began_at_uptime,
        cloudpress_sent_at=this.dependencies.provider_clock.at(tx.began_at_uptime),
        strangers_before=await held.loaded.last_stranger(order.account_id),
        callback_key_id=this.dependencies.callback_signer.key_id,
        traceparent=this.traceparent,
    )
    tx.session.add(placement)
    earlier.append(placement)
    async with changing(tx, order, action="place", view=held.loaded.view) as change:
        record(tx, order.id, EventType.PLACING, attempt=attempt)
        change.move(OrderStatus.PLACING)
    claim = leases.renew(tx, order, this.claim, lease_seconds=this.dependencies.lease_seconds)
    return Intent(attempt, first, claim)


async def _post(this: Pass, intent: Intent) -> Posted:
    dependencies, order, first = this.dependencies, this.order, intent.first
    timeout_seconds = min(dependencies.upstream_timeout_seconds, this.claim.seconds_left() * LEASE_MARGIN)
    if timeout_seconds < dependencies.upstream_timeout_seconds / 2:
        # The commit of the intent took so long that another replica could take the order meanwhile.
        return Posted(PostEnded(PostOutcome.NOT_SENT, first, trouble=Trouble("lease_too_short")))
    try:
        answer = await this.cloudpress.place(
            _site_of(order),
            callback_url=dependencies.callback_url(order.id),
            callback_authorization=dependencies.callback_signer.authorization(order.id),
            timeout_seconds=timeout_seconds,
        )
    except NotSent as error:
        return Posted(PostEnded(PostOutcome.NOT_SENT, first, trouble=trouble_of(error)))
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


async def _record_for_sure(this: Pass, intent: Intent, posted: Posted) -> PassResult | None:
    """Record how a request ended, trying again while the database is away: the answer is worth money.

    No text in it may undo that: where the database refuses the whole it gets the bare answer.
    """
    is_bare = False
    for tried in range(RECORD_TRIES):
        try:
            return await _record(this, intent, posted)
        except DATABASE_AWAY as error:
            this.dependencies.db.outages.note(error)
            if tried in {0, RECORD_TRIES - 1}:
                log.error(
                    "answer_not_recorded",
                    order=str(this.order.id),
                    cloudpress_order=posted.cloudpress_order_id,
                    outcome=posted.ended.outcome,
                    is_given_up=tried > 0,
                )
            await asyncio.sleep(RECORD_RETRY_SECONDS[min(tried, len(RECORD_RETRY_SECONDS) - 1)])
        except DBAPIError as error:
            if is_bare:
                raise
            log.error("answer_recorded_bare", order=str(this.order.id), sqlstate=sqlstate_of(error))
            posted, is_bare = posted.bare(), True
    return None


async def _record(this: Pass, intent: Intent, posted: Posted) -> PassResult | None:
    """Write the answer to its placement, lease or no lease; change the order only under the lease."""
    named = posted.cloudpress_order_id
    return await this.write(
        lambda held: _write_answer(this, held, intent, posted),
        is_fenced=False,
        named=() if named is None else (named,),
    )


async def _write_answer(this: Pass, held: Held, intent: Intent, posted: Posted) -> PassResult | None:
    order = held.order
    posted = await _unless_held_by_another(held, posted)
    await _write_placement(held, intent, posted)
    if order.lease_token != this.claim.token:
        make_due(held.tx, order)
        return None
    _find(held, posted)
    return await apply(this, held, "place", posted.ended)


async def _unless_held_by_another(held: Held, posted: Posted) -> Posted:
    """Distrust an answer that names a CloudPress order which another order has."""
    named, order = posted.cloudpress_order_id, held.order
    if named is None or not await held.loaded.is_held_by_another(order, named):
        return posted
    log.error("answered_with_anothers_order", order=str(order.id), cloudpress_order=named)
    return Posted(PostEnded(PostOutcome.UNKNOWN, posted.ended.first, trouble=Trouble("anothers_order")))


async def _write_placement(held: Held, intent: Intent, posted: Posted) -> None:
    tx, order = held.tx, held.order
    attempts = await held.loaded.placements(order.id)
    placement = next(attempt for attempt in attempts if attempt.attempt == intent.attempt)
    placement.outcome = posted.ended.outcome
    placement.answered_at = tx.now
    placement.http_status = posted.ended.trouble.status if posted.ended.trouble else None
    placement.reasons = list(posted.ended.reasons)
    placement.cloudpress_order_id = posted.cloudpress_order_id
    placement.answer = posted.answer.raw if posted.answer else None
    record(
        tx,
        order.id,
        EventType.PLACEMENT_ENDED,
        attempt=intent.attempt,
        outcome=posted.ended.outcome,
        status=placement.http_status,
        reasons=placement.reasons,
        cloudpress_order_id=posted.cloudpress_order_id,
    )


def _find(held: Held, posted: Posted) -> None:
    """Find what an answer tells of the order."""
    if posted.answer is None:
        return
    placed, findings = posted.answer.value, held.findings
    findings.order_id, findings.order_id_source = placed.order_id, ANSWER
    findings.order_status = placed.order_status
    findings.tasks = {placed.task.id: placed.task} if placed.task else {}
