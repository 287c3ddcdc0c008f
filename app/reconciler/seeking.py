"""Seeks an order whose placement is unknown. It is never sent again from here."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from app import leases
from app.cloudpress import Answer, CloudPressError, NotFound, OrderDetails, Task
from app.leases import Claim
from app.models import Callback, Order, Placement
from app.reconciler.observing import Observer, time_left_seconds, trouble_of
from app.reconciler.placing import ANSWER, is_held
from app.reconciler.recording import Findings, PassResult, apply, conclude
from app.reconciler.surroundings import Provider, Surroundings
from app.states import NotFoundYet, PostEnded, PostOutcome, Seen, Trouble

CALLBACK = "callback"
MAX_HINTS = 5
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Sent:
    """What is known of the attempts to place an order."""

    placements: tuple[Placement, ...]
    task_hints: tuple[int, ...]
    first_sent_at: datetime
    last_sent_at: datetime
    now: datetime


@dataclass(frozen=True)
class Found:
    """The CloudPress order that is ours, and how that was learned."""

    order_id: str
    source: str


async def seek(world: Surroundings, claim: Claim, provider: Provider) -> PassResult | None:
    """Look for an unconfirmed order by what was recorded late and by its callbacks; adopt what is found."""
    sent = await _sent(world, claim.order)
    late = _recorded_late(sent)
    if isinstance(late, PostEnded):
        return await conclude(world, claim, "late_answer", late)
    trouble: Trouble | None = None
    found = late
    if found is None:
        try:
            found = await _by_callback(world, claim, provider, sent)
        except CloudPressError as error:
            trouble = trouble_of(error)
    nothing = NotFoundYet(sent.last_sent_at, world.schedule.placement_grace_seconds, trouble)
    if found is None:
        return await conclude(world, claim, "look_up", nothing)
    observer = Observer(world, claim, provider)
    seen = await observer.look(found.order_id)
    observer.findings.order_id = found.order_id
    observer.findings.order_id_source = found.source
    return await _adopt(world, claim, seen, observer.findings, nothing)


async def _sent(world: Surroundings, order: Order) -> Sent:
    async with world.db.read() as session:
        placements = await session.scalars(
            select(Placement).where(Placement.order_id == order.id).order_by(Placement.attempt)
        )
        hints = await session.scalars(
            select(Callback.task_id)
            .where(Callback.order_id == order.id, Callback.task_id.is_not(None))
            .order_by(Callback.id.desc())
            .limit(MAX_HINTS)
        )
        rows = tuple(placements)
        return Sent(
            placements=rows,
            task_hints=tuple(hint for hint in hints if hint is not None),
            first_sent_at=rows[0].sent_at if rows else order.created_at,
            last_sent_at=rows[-1].sent_at if rows else order.created_at,
            now=await world.db.now(session),
        )


def _recorded_late(sent: Sent) -> Found | PostEnded | None:
    """Return what an answer tells that was recorded after its order had been taken for cut off."""
    for placement in sent.placements:
        if placement.cloudpress_order_id is not None:
            return Found(placement.cloudpress_order_id, ANSWER)
    last = sent.placements[-1] if sent.placements else None
    if last is None or last.outcome is None:
        return None
    outcome = PostOutcome(last.outcome)
    settles = {PostOutcome.NOT_SENT, PostOutcome.HELD_OFF}
    if outcome in settles or (outcome is PostOutcome.REJECTED and last.attempt == 1):
        return PostEnded(
            outcome,
            last.attempt,
            reasons=tuple(last.reasons or ()),
            trouble=Trouble("late_answer", status=last.http_status),
        )
    return None


async def _by_callback(world: Surroundings, claim: Claim, provider: Provider, sent: Sent) -> Found | None:
    """Find the order by the tasks that its own callbacks name.

    Raises:
        CloudPressError: CloudPress could not be asked.
    """
    for hint in sent.task_hints:
        try:
            task = await provider.task(hint, timeout_seconds=time_left_seconds(world, claim))
        except NotFound:
            continue
        for order_id in task.value.order_ids:
            try:
                details = await provider.order(order_id, timeout_seconds=time_left_seconds(world, claim))
            except (NotFound, ValueError):
                continue
            if _agrees(claim.order, sent, task, details):
                return Found(order_id, CALLBACK)
    return None


def _agrees(order: Order, sent: Sent, task: Answer[Task], details: Answer[OrderDetails]) -> bool:
    """Tell whether a CloudPress order can be ours: whoever knows a callback's secret chooses its body."""
    seen = details.value
    accounts = {*task.value.account_ids, *([seen.account_id] if seen.account_id else [])}
    if accounts and order.account_id not in accounts:
        return False
    if seen.variant is not None and seen.variant.lower() != order.variant.lower():
        return False
    if seen.site is not None and seen.site.name is not None and seen.site.name != order.site_name:
        return False
    if seen.created_at is None:
        return True
    # Ages are compared, each by its own clock, so that the clocks need not agree.
    age = (details.date or sent.now) - seen.created_at
    return age <= sent.now - sent.first_sent_at + CLOCK_TOLERANCE


async def _adopt(
    world: Surroundings, claim: Claim, seen: Seen, findings: Findings, otherwise: NotFoundYet
) -> PassResult | None:
    """Take a CloudPress order for ours, unless another order has it."""
    async with world.db.write() as tx:
        order = await leases.hold(tx, claim)
        if order is None:
            return None
        if findings.order_id is None or await is_held(tx, order, findings.order_id):
            return await apply(tx, world, claim, order, action="look_up", observation=otherwise)
        return await apply(tx, world, claim, order, action="adopt", observation=seen, findings=findings)
