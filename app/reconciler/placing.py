"""Places an order: intent, request, answer. The one place from which an order is sent to CloudPress."""

import asyncio
from dataclasses import dataclass

import structlog
from sqlalchemy import delete, select

from app.cloudpress import Answer, CloudPressError, NotSent, Placed, Refused, SiteOrder
from app.cloudpress.protocol import Provider
from app.db.database import DATABASE_AWAY, Transaction
from app.db.models import LookUp, Order, Placement
from app.events.timeline import record
from app.events.types import EventType
from app.orders.waking import make_due
from app.queue import leases
from app.queue.leases import Claim
from app.reconciler.concluding import PassResult, apply
from app.reconciler.dependencies import Dependencies, trouble_of
from app.reconciler.evidence import ANSWER, has_reappeared, held_among, is_first
from app.reconciler.findings import Findings
from app.states import (
    LATE_LOOK_AFTER,
    OrderStatus,
    PostEnded,
    PostOutcome,
    Reappeared,
    Trouble,
    outcome_of_refusal,
)

RECORD_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
RECORD_TRIES = 120
RECORD_GRACE_SECONDS = 2.0
# What is left of the lease after the request, so that whoever takes the order over finds it ended.
LEASE_MARGIN = 0.99

log = structlog.get_logger()


@dataclass(frozen=True)
class Intent:
    """The committed intent to place an order; `first` says that no earlier attempt can have made one."""

    claim: Claim[Order]
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


async def place(dependencies: Dependencies, claim: Claim[Order], provider: Provider) -> PassResult | None:
    """Send a pending order to CloudPress, once, and record how that ended.

    Returns None if the order was no longer ours to send, or is no longer ours to change.
    """
    intended = await _intend(dependencies, claim)
    if not isinstance(intended, Intent):
        return intended
    try:
        posted = await _post(dependencies, intended, provider)
    except asyncio.CancelledError:
        # The process ends. Unless this is written, the order waits for the lease to run out.
        unknown = Posted(PostEnded(PostOutcome.UNKNOWN, intended.first))
        await asyncio.shield(_record(dependencies, intended, unknown))
        raise
    recording = asyncio.ensure_future(_record_for_sure(dependencies, intended, posted))
    try:
        return await asyncio.shield(recording)
    except asyncio.CancelledError:
        # The process ends, and the answer is worth a moment more.
        await asyncio.wait([recording], timeout=RECORD_GRACE_SECONDS)
        raise


async def _intend(dependencies: Dependencies, claim: Claim[Order]) -> Intent | PassResult | None:
    """Commit that the order is about to be sent, under a lease that is renewed for it.

    Where something speaks for its being at CloudPress already it is looked for instead: the result is
    returned. None if it is no longer ours to send.
    """
    async with dependencies.db.write() as tx:
        order = await leases.hold(tx, claim)
        if order is None or order.status != OrderStatus.PENDING:
            return None
        if order.cancel_requested_at is not None:
            leases.release(tx, order, claim, tx.now, not_before=order.not_before)
            return None
        earlier = list(await tx.session.scalars(select(Placement).where(Placement.order_id == order.id)))
        if await has_reappeared(tx.session, order, earlier):
            return await apply(tx, dependencies, claim, order, action="reappeared", observation=Reappeared())
        # What look-ups have shown says nothing of where this attempt will land.
        await tx.session.execute(delete(LookUp).where(LookUp.order_id == order.id))
        attempt = max((placement.attempt for placement in earlier), default=0) + 1
        first = is_first(earlier)
        if not first:
            order.late_look_at = tx.now + LATE_LOOK_AFTER
        tx.session.add(
            Placement(
                order_id=order.id,
                attempt=attempt,
                sent_at=tx.now,
                callback_key_id=dependencies.callback_signer.key_id,
            )
        )
        order.status = OrderStatus.PLACING
        order.updated_at = tx.now
        tx.announce(changed=order.id)
        record(tx, order.id, EventType.PLACING, attempt=attempt)
        renewed = leases.renew(tx, order, claim, lease_seconds=dependencies.lease_seconds)
        return Intent(renewed, attempt, first)


async def _post(dependencies: Dependencies, intent: Intent, provider: Provider) -> Posted:
    claim, first = intent.claim, intent.first
    order = claim.row
    timeout_seconds = min(dependencies.upstream_timeout_seconds, claim.seconds_left() * LEASE_MARGIN)
    if timeout_seconds < dependencies.upstream_timeout_seconds / 2:
        # The commit of the intent took so long that another replica could take the order meanwhile.
        return Posted(PostEnded(PostOutcome.NOT_SENT, first, trouble=Trouble("lease_too_short")))
    site = SiteOrder(
        name=order.site_name,
        variant=order.variant,
        location=order.location,
        plan=order.plan,
        return_url=order.return_url,
    )
    try:
        answer = await provider.place(
            site,
            callback_url=dependencies.callback_url(order.id),
            callback_authorization=dependencies.callback_signer.authorization(order.id),
            timeout_seconds=timeout_seconds,
        )
    except NotSent as error:
        return Posted(PostEnded(PostOutcome.NOT_SENT, first, trouble=trouble_of(error)))
    except Refused as error:
        outcome = outcome_of_refusal(error.status)
        ended = PostEnded(outcome, first, reasons=error.errors, trouble=trouble_of(error))
        return Posted(ended)
    except CloudPressError as error:
        return Posted(PostEnded(PostOutcome.UNKNOWN, first, trouble=trouble_of(error)))
    placed = answer.value
    ended = PostEnded(
        PostOutcome.PLACED,
        first,
        order_status=placed.order_status,
        task_status=placed.task.status if placed.task else None,
        payment_url=placed.payment_url,
    )
    return Posted(ended, answer)


async def _record_for_sure(dependencies: Dependencies, intent: Intent, posted: Posted) -> PassResult | None:
    """Record how a request ended, trying again while the database is away: the answer is worth money."""
    for tried in range(RECORD_TRIES):
        try:
            return await _record(dependencies, intent, posted)
        except DATABASE_AWAY as error:
            log.error(
                "answer_not_recorded",
                order=str(intent.claim.row.id),
                cloudpress_order=posted.cloudpress_order_id,
                outcome=posted.ended.outcome,
                error=type(error).__name__,
            )
            await asyncio.sleep(RECORD_RETRY_SECONDS[min(tried, len(RECORD_RETRY_SECONDS) - 1)])
    return None


async def _record(dependencies: Dependencies, intent: Intent, posted: Posted) -> PassResult | None:
    """Write the answer to its placement, lease or no lease; change the order only under the lease."""
    claim = intent.claim
    async with dependencies.db.write() as tx:
        order = await tx.session.get(Order, claim.row.id, with_for_update=True)
        if order is None:
            return None
        posted = await _unless_held_by_another(tx, order, posted)
        await _write_placement(tx, order, intent, posted)
        if order.lease_token != claim.token:
            make_due(tx, order)
            return None
        return await apply(
            tx,
            dependencies,
            claim,
            order,
            action="place",
            observation=posted.ended,
            findings=_findings(posted),
        )


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


def _findings(posted: Posted) -> Findings:
    if posted.answer is None:
        return Findings()
    placed = posted.answer.value
    return Findings(
        order_id=placed.order_id,
        order_id_source=ANSWER,
        order_status=placed.order_status,
        tasks={placed.task.id: placed.task} if placed.task else {},
    )
