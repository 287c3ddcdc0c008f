"""Looks for an order whose placement is unknown: by late answers, callbacks, look-up, an operator's word."""

from dataclasses import replace

from sqlalchemy import and_, exists, func, or_, select

from app.cloudpress import CloudPressError
from app.db.database import Transaction
from app.db.models import Order, Placement
from app.events.timeline import record
from app.events.types import EventType
from app.orders.attempts import can_have_landed, nothing_landed
from app.orders.orphans import is_left_to_people, orphans_like
from app.queue import leases
from app.reconciler.concluding import apply, conclude
from app.reconciler.evidence import (
    ANSWER,
    CALLBACK,
    LOOK_UP,
    OPERATOR,
    Sent,
    held_among,
    named_by_callbacks,
    what_was_sent,
)
from app.reconciler.looking_up import OrderLookUp
from app.reconciler.observing import Observer
from app.reconciler.passes import Pass, PassResult, trouble_of
from app.reconciler.progress import Progress
from app.states import (
    NotFoundYet,
    OrderStatus,
    PostEnded,
    PostOutcome,
    Resolved,
    Trouble,
)

SOUGHT = (OrderStatus.PLACING, OrderStatus.UNCONFIRMED)


async def confirm(this: Pass) -> PassResult | None:
    """Look for an unconfirmed order; adopt what surely is it, or place it again once it surely is nowhere."""
    sent = await what_was_sent(this)
    resolution = this.order.resolution
    if resolution is not None:
        return await _resolve(this, sent, resolution)
    if sent.answered_ids:
        return await _adopt(this, sent, list(sent.answered_ids), ANSWER)
    if sent.late_outcome is not None:
        return await conclude(this, "late_answer", _late_answer(sent, sent.late_outcome))
    try:
        named = await named_by_callbacks(this, sent)
    except CloudPressError as error:
        return await conclude(this, "look_for", _not_found(this, sent, trouble=trouble_of(error)))
    if named.order_ids:
        this.findings.hints = named.settled
        return await _adopt(this, sent, list(named.order_ids), CALLBACK)
    progress = await OrderLookUp(this, sent).go_on()
    if progress.is_complete and len(progress.candidates) == 1:
        return await _adopt(this, sent, progress.candidates, LOOK_UP)
    this.findings.hints = named.settled
    return await _conclude_not_found(this, sent)


async def _resolve(this: Pass, sent: Sent, resolution: dict[str, str]) -> PassResult | None:
    """Do what an operator has decided."""
    this.findings.resolved = True
    if resolution["action"] == "adopt":
        return await _adopt(this, sent, [resolution["cloudpress_order_id"]], OPERATOR)
    this.findings.overruled = resolution["action"] == "place_again"
    status = OrderStatus.PENDING if this.findings.overruled else OrderStatus.FAILED
    return await conclude(this, "resolve", Resolved(status, resolution["by"]))


def _late_answer(sent: Sent, outcome: PostOutcome) -> PostEnded:
    last = sent.placements[-1]
    return PostEnded(
        outcome,
        nothing_landed(sent.placements[:-1]),
        reasons=tuple(last.reasons or ()),
        trouble=Trouble("late_answer", status=last.http_status),
    )


def _not_found(
    this: Pass,
    sent: Sent,
    *,
    trouble: Trouble | None = None,
    look_alike: bool = False,
    unwanted: bool = False,
    woken: bool = False,
) -> NotFoundYet:
    progress = this.findings.look_up or Progress()
    return NotFoundYet(
        sent_at=sent.last_sent_at,
        grace_seconds=this.dependencies.schedule.placement_grace_seconds,
        trouble=trouble or progress.trouble,
        unfinished=not progress.is_complete and progress.trouble is None,
        look_ups=progress.completed,
        last_look_up_at=progress.last_begun_at if progress.is_complete else None,
        candidates=tuple(progress.candidates),
        suspects=tuple(progress.suspects),
        look_alike=look_alike,
        called_back=sent.called_back,
        placing=this.dependencies.placing,
        unwanted=unwanted,
        woken=woken,
    )


async def _conclude_not_found(this: Pass, sent: Sent) -> PassResult | None:
    """Conclude that the order was not found; whether it may be placed again is judged under its lock."""
    async with this.dependencies.db.write() as tx:
        order = await leases.hold(tx, this.claim)
        if order is None:
            return None
        return await _apply_not_found(this, tx, order, sent)


async def _apply_not_found(this: Pass, tx: Transaction, order: Order, sent: Sent) -> PassResult:
    nothing = _not_found(
        this,
        sent,
        look_alike=await _has_look_alike(tx, order),
        unwanted=order.cancel_requested_at is not None,
        woken=order.wakes != this.claim.wakes,
    )
    orphans = await orphans_like(tx.session, order)
    nothing = replace(nothing, suspects=tuple(dict.fromkeys((*nothing.suspects, *orphans))))
    if nothing.is_nowhere and not nothing.woken:
        _record_nowhere(tx, order, nothing)
    return await apply(this, tx, order, "look_up", nothing)


def _record_nowhere(tx: Transaction, order: Order, nothing: NotFoundYet) -> None:
    """Tell the timeline what it is that an order is placed again on, or cancelled."""
    begun_at = nothing.last_look_up_at
    record(
        tx,
        order.id,
        EventType.FOUND_NOWHERE,
        look_ups=nothing.look_ups,
        last_look_up_at=begun_at.isoformat() if begun_at else None,
        grace_ended_at=nothing.grace_ends_at.isoformat(),
    )


async def _has_look_alike(tx: Transaction, order: Order) -> bool:
    """Tell whether another order could be meant by the same CloudPress order.

    One that was placed more than once counts even when it is placed or final: a request of its own that
    landed late may be what was found. So may that of one that is to be placed again.
    """
    alike = select(func.count(Order.id)).where(
        Order.account_id == order.account_id,
        Order.site_name == order.site_name,
        Order.variant == order.variant,
        or_(
            Order.status.in_(SOUGHT),
            and_(
                Order.status == OrderStatus.PENDING,
                exists().where(Placement.order_id == Order.id, can_have_landed()),
            ),
            Order.late_look_at.is_not(None),
            Order.suspected_duplicates.is_not(None),
        ),
        Order.id != order.id,
    )
    return (await tx.session.execute(alike)).scalar_one() > 0


async def _adopt(this: Pass, sent: Sent, order_ids: list[str], source: str) -> PassResult | None:
    """Take the first of the CloudPress orders for ours, unless another order has it or may mean it.

    The others, if there are any, are suspected duplicates.
    """
    observation = await Observer(this).look(order_ids[0])
    findings = this.findings
    findings.order_id, findings.order_id_source = order_ids[0], source
    findings.duplicates = {order_id for order_id in order_ids[1:] if order_id != order_ids[0]}
    async with this.dependencies.db.write() as tx:
        order = await leases.hold(tx, this.claim)
        if order is None:
            return None
        unsure = source == LOOK_UP and (
            await _has_look_alike(tx, order) or await is_left_to_people(tx.session, order, order_ids[0])
        )
        if unsure or await held_among(tx.session, order, order_ids[:1]):
            # Checked under the lock: what was free when it was looked at may be taken by now.
            findings.forget_identity()
            if source == OPERATOR:
                record(tx, order.id, EventType.RESOLUTION_IMPOSSIBLE, cloudpress_order_id=order_ids[0])
            return await _apply_not_found(this, tx, order, sent)
        return await apply(this, tx, order, f"adopt_by_{source}", observation)
