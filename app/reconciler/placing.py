"""Places an order: intent, request, answer. The one place from which an order is sent to CloudPress."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from app.cloudpress import Answer, CloudPressError, NotSent, Placed, Refused, SiteOrder
from app.db.database import Transaction
from app.db.errors import DATABASE_AWAY, repeated, sqlstate_of
from app.db.models import RESTORED, LookUp, Order, Placement, Stranger
from app.events.timeline import record
from app.events.types import EventType
from app.orders.attempts import nothing_landed
from app.orders.changing import changing
from app.orders.orphans import doubt, orphans_like
from app.orders.restorations import is_searched
from app.orders.waking import make_due
from app.queue import leases
from app.reconciler.concluding import apply
from app.reconciler.evidence import ANSWER, has_reappeared, held_among
from app.reconciler.passes import Pass, PassResult, trouble_of
from app.reconciler.progress import Progress
from app.reconciler.window import Now
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
from app.telemetry import tracing

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
    intended = await _intend(this)
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


@repeated
async def _intend(this: Pass) -> Intent | PassResult | None:
    """Commit that the order is about to be sent, under a lease that is renewed for it.

    Where something speaks against it that has come up since it was decided, that is seen to first: the result
    is returned. None if it is no longer ours to send.
    """
    async with this.dependencies.db.write() as tx:
        order = await leases.hold(tx, this.claim)
        if order is None or order.status != OrderStatus.PENDING:
            return None
        if order.cancel_requested_at is not None:
            leases.release(tx, order, this.claim, tx.now)  # dropping it needs no request
            return None
        earlier = list(
            await tx.session.scalars(
                select(Placement).where(Placement.order_id == order.id).order_by(Placement.attempt)
            )
        )
        if await has_reappeared(tx.session, order, earlier):
            return await apply(this, tx, order, "reappeared", Reappeared())
        if not any(attempt.callback_key_id == RESTORED for attempt in earlier):
            if not await is_searched(tx.session, order.account_id):
                return await apply(this, tx, order, "orphans_unknown", PlacingOff())
            if await orphans_like(tx.session, order):
                await doubt(tx, order)
                return await apply(this, tx, order, "orphan_suspected", Reappeared())
        if is_overdue(order, tx.now):
            return await apply(this, tx, order, "overdue", Overdue())
        if not nothing_landed(earlier) and await _has_to_look_again(this, tx, order, earlier):
            return await apply(this, tx, order, "look_again", Reappeared())
        intent = Intent(
            max((placement.attempt for placement in earlier), default=0) + 1, nothing_landed(earlier)
        )
        await _write_intent(this, tx, order, intent)
        this.claim = leases.renew(tx, order, this.claim, lease_seconds=this.dependencies.lease_seconds)
        return intent


def is_overdue(order: Order, now: datetime) -> bool:
    """Tell whether an order could not be sent for so long that a person has to say whether it is wanted."""
    resolution = order.resolution or {}
    asked_at = resolution.get("at") if resolution.get("action") == PLACE_AGAIN else None
    since = datetime.fromisoformat(asked_at) if asked_at else order.created_at
    return now - since > GIVEN_UP_AFTER


async def _has_to_look_again(this: Pass, tx: Transaction, order: Order, earlier: Sequence[Placement]) -> bool:
    """Tell whether what look-ups have shown of an order, which is to be sent once more, is old by now."""
    attempt = max(placement.attempt for placement in earlier if may_have_landed(placement.outcome))
    progress = Progress.of(await tx.session.get(LookUp, order.id), attempt)
    age_seconds = progress.age_seconds(Now(tx.now, tx.clock.boot, tx.began_at_uptime))
    interval_seconds = max(this.dependencies.schedule.look_up_seconds, SHORTEST_LOOK_UP_LIFE_SECONDS)
    if age_seconds is not None and age_seconds <= interval_seconds:
        return False
    progress.look_again()
    this.findings.look_up = progress
    return True


async def _write_intent(this: Pass, tx: Transaction, order: Order, intent: Intent) -> None:
    if not intent.first:
        order.late_look_at = tx.now + LATE_LOOK_AFTER
    last_stranger = select(func.max(Stranger.id)).where(Stranger.account_id == order.account_id)
    tx.session.add(
        Placement(
            order_id=order.id,
            attempt=intent.attempt,
            sent_at=tx.now,
            sent_boot=tx.clock.boot,
            sent_uptime=tx.began_at_uptime,
            cloudpress_sent_at=this.dependencies.provider_clock.at(tx.began_at_uptime),
            strangers_before=(await tx.session.execute(last_stranger)).scalar_one(),
            callback_key_id=this.dependencies.callback_signer.key_id,
            traceparent=tracing.current(),
        )
    )
    async with changing(tx, order, action="place") as change:
        record(tx, order.id, EventType.PLACING, attempt=intent.attempt)
        change.move(OrderStatus.PLACING)


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
            log.error(
                "answer_not_recorded",
                order=str(this.order.id),
                cloudpress_order=posted.cloudpress_order_id,
                outcome=posted.ended.outcome,
                error=type(error).__name__,
            )
            await asyncio.sleep(RECORD_RETRY_SECONDS[min(tried, len(RECORD_RETRY_SECONDS) - 1)])
        except DBAPIError as error:
            if is_bare:
                raise
            log.error("answer_recorded_bare", order=str(this.order.id), sqlstate=sqlstate_of(error))
            posted, is_bare = posted.bare(), True
    return None


@repeated
async def _record(this: Pass, intent: Intent, posted: Posted) -> PassResult | None:
    """Write the answer to its placement, lease or no lease; change the order only under the lease."""
    async with this.dependencies.db.write() as tx:
        order = await tx.session.get(Order, this.order.id, with_for_update=True)
        if order is None:
            return None
        posted = await _unless_held_by_another(tx, order, posted)
        await _write_placement(tx, order, intent, posted)
        if order.lease_token != this.claim.token:
            make_due(tx, order)
            return None
        _find(this, posted)
        return await apply(this, tx, order, "place", posted.ended)


async def _unless_held_by_another(tx: Transaction, order: Order, posted: Posted) -> Posted:
    """Distrust an answer that names a CloudPress order which another order has."""
    named = posted.cloudpress_order_id
    if named is None or not await held_among(tx.session, order, [named]):
        return posted
    log.error("answered_with_anothers_order", order=str(order.id), cloudpress_order=named)
    return Posted(PostEnded(PostOutcome.UNKNOWN, posted.ended.first, trouble=Trouble("anothers_order")))


async def _write_placement(tx: Transaction, order: Order, intent: Intent, posted: Posted) -> None:
    placement = await tx.session.get_one(Placement, (order.id, intent.attempt))
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


def _find(this: Pass, posted: Posted) -> None:
    """Find what an answer tells of the order."""
    if posted.answer is None:
        return
    placed, findings = posted.answer.value, this.findings
    findings.order_id, findings.order_id_source = placed.order_id, ANSWER
    findings.order_status = placed.order_status
    findings.tasks = {placed.task.id: placed.task} if placed.task else {}
