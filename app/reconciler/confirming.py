"""Seeks an order whose placement is unknown: by late answers, callbacks, look-up, or an operator's word."""

from sqlalchemy import and_, exists, func, or_, select

from app.cloudpress import CloudPressError
from app.cloudpress.protocol import Provider
from app.db.database import Transaction
from app.db.models import Order, Placement
from app.events.timeline import record
from app.events.types import EventType
from app.queue import leases
from app.queue.leases import Claim
from app.reconciler.concluding import WOKEN, PassResult, apply, conclude
from app.reconciler.dependencies import Dependencies, trouble_of
from app.reconciler.evidence import (
    ANSWER,
    CALLBACK,
    LOOK_UP,
    OPERATOR,
    Named,
    Sent,
    held_among,
    is_first,
    named_by_callbacks,
    what_was_sent,
)
from app.reconciler.findings import Findings
from app.reconciler.looking_up import OrderLookUp, Progress
from app.reconciler.observing import Observer
from app.states import (
    NOTHING_LANDED,
    NotFoundYet,
    OrderStatus,
    PostEnded,
    PostOutcome,
    Resolved,
    Trouble,
)

SEEKING = (OrderStatus.PLACING, OrderStatus.UNCONFIRMED)


async def seek(dependencies: Dependencies, claim: Claim[Order], provider: Provider) -> PassResult | None:
    """Look for an unconfirmed order; adopt what surely is it, or place it again once it surely is nowhere."""
    sent = await what_was_sent(dependencies, claim.row)
    wish = claim.row.resolution
    if wish is not None and wish["action"] != "adopt":
        again = wish["action"] == "place_again"
        resolved = Resolved(OrderStatus.PENDING if again else OrderStatus.FAILED, wish["by"])
        return await conclude(
            dependencies, claim, "resolve", resolved, Findings(resolved=True, overruled=again)
        )
    if wish is not None:
        return await _adopt(dependencies, claim, provider, sent, [wish["cloudpress_order_id"]], OPERATOR)
    if sent.answered_ids:
        return await _adopt(dependencies, claim, provider, sent, list(sent.answered_ids), ANSWER)
    if sent.late_outcome is not None:
        return await conclude(dependencies, claim, "late_answer", _late_answer(sent, sent.late_outcome))
    try:
        named = await named_by_callbacks(dependencies, claim, provider, sent)
    except CloudPressError as error:
        return await conclude(
            dependencies, claim, "seek", _not_found(dependencies, sent, trouble=trouble_of(error))
        )
    if named.order_ids:
        return await _adopt(dependencies, claim, provider, sent, list(named.order_ids), CALLBACK, named=named)
    progress = await OrderLookUp(dependencies, claim, provider, sent).go_on()
    if progress.is_complete and len(progress.candidates) == 1:
        candidates = progress.candidates
        return await _adopt(
            dependencies, claim, provider, sent, candidates, LOOK_UP, progress=progress, named=named
        )
    return await _conclude_not_found(
        dependencies, claim, sent, Findings(look_up=progress, hints=named.settled)
    )


def _late_answer(sent: Sent, outcome: PostOutcome) -> PostEnded:
    last = sent.placements[-1]
    return PostEnded(
        outcome,
        is_first(sent.placements[:-1]),
        reasons=tuple(last.reasons or ()),
        trouble=Trouble("late_answer", status=last.http_status),
    )


def _not_found(
    dependencies: Dependencies,
    sent: Sent,
    *,
    progress: Progress | None = None,
    trouble: Trouble | None = None,
    look_alike: bool = False,
    unwanted: bool = False,
) -> NotFoundYet:
    progress = progress or Progress()
    return NotFoundYet(
        sent_at=sent.last_sent_at,
        grace_seconds=dependencies.schedule.placement_grace_seconds,
        trouble=trouble or progress.trouble,
        unfinished=not progress.is_complete and progress.trouble is None,
        look_ups=progress.completed,
        last_look_up_at=progress.last_begun_at if progress.is_complete else None,
        candidates=tuple(progress.candidates),
        suspects=tuple(progress.suspects),
        look_alike=look_alike,
        called_back=sent.called_back,
        placing=dependencies.placing,
        unwanted=unwanted,
    )


async def _conclude_not_found(
    dependencies: Dependencies, claim: Claim[Order], sent: Sent, findings: Findings
) -> PassResult | None:
    """Conclude that the order was not found; whether it may be placed again is judged under its lock."""
    async with dependencies.db.write() as tx:
        order = await leases.hold(tx, claim)
        if order is None:
            return None
        return await _apply_not_found(tx, dependencies, claim, order, sent, findings)


async def _apply_not_found(
    tx: Transaction,
    dependencies: Dependencies,
    claim: Claim[Order],
    order: Order,
    sent: Sent,
    findings: Findings,
) -> PassResult:
    progress = findings.look_up
    nothing = _not_found(
        dependencies,
        sent,
        progress=progress,
        look_alike=await _has_look_alike(tx, order),
        unwanted=order.cancel_requested_at is not None,
    )
    # A callback that came in during this pass speaks against placing again; so does an operator's wish.
    trouble = WOKEN if order.wakes != claim.wakes and nothing.is_nowhere else None
    if trouble is not None:
        nothing = _not_found(dependencies, sent, progress=progress, trouble=trouble)
    if nothing.is_nowhere:
        _record_nowhere(tx, order, nothing)
    return await apply(
        tx, dependencies, claim, order, action="look_up", observation=nothing, findings=findings
    )


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
    may_have_landed = exists().where(
        Placement.order_id == Order.id,
        or_(Placement.outcome.is_(None), Placement.outcome.not_in(NOTHING_LANDED)),
    )
    alike = select(func.count(Order.id)).where(
        Order.account_id == order.account_id,
        Order.site_name == order.site_name,
        Order.variant == order.variant,
        or_(
            Order.status.in_(SEEKING),
            and_(Order.status == OrderStatus.PENDING, may_have_landed),
            Order.late_look_at.is_not(None),
            Order.suspected_duplicates.is_not(None),
        ),
        Order.id != order.id,
    )
    return (await tx.session.execute(alike)).scalar_one() > 0


async def _adopt(
    dependencies: Dependencies,
    claim: Claim[Order],
    provider: Provider,
    sent: Sent,
    order_ids: list[str],
    source: str,
    *,
    progress: Progress | None = None,
    named: Named | None = None,
) -> PassResult | None:
    """Take the first of the CloudPress orders for ours, unless another order has it or may mean it.

    The others, if there are any, are suspected duplicates.
    """
    observer = Observer(dependencies, claim, provider)
    observation = await observer.look(order_ids[0])
    findings = observer.findings
    findings.order_id, findings.order_id_source = order_ids[0], source
    findings.duplicates = {order_id for order_id in order_ids[1:] if order_id != order_ids[0]}
    findings.look_up = progress
    findings.resolved = source == OPERATOR
    async with dependencies.db.write() as tx:
        order = await leases.hold(tx, claim)
        if order is None:
            return None
        unsure = source == LOOK_UP and await _has_look_alike(tx, order)
        if unsure or await held_among(tx.session, order, order_ids[:1]):
            # Checked under the lock: what was free when it was looked at may be taken by now.
            rest = Findings(look_up=progress, resolved=findings.resolved)
            rest.hints = named.settled if named else ()
            if source == OPERATOR:
                record(tx, order.id, EventType.RESOLUTION_IMPOSSIBLE, cloudpress_order_id=order_ids[0])
            return await _apply_not_found(tx, dependencies, claim, order, sent, rest)
        return await apply(
            tx,
            dependencies,
            claim,
            order,
            action=f"adopt_by_{source}",
            observation=observation,
            findings=findings,
        )
