"""One pass over one order: what it does depends on the order's status and on nothing else."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.cloudpress.protocol import Provider
from app.db.models import Order
from app.queue.leases import Claim
from app.reconciler.cancelling import cancel, drop
from app.reconciler.concluding import PassResult, conclude
from app.reconciler.confirming import seek
from app.reconciler.dependencies import Dependencies
from app.reconciler.duplicates import recheck
from app.reconciler.findings import Findings
from app.reconciler.observing import Observer
from app.reconciler.placing import place
from app.states import FINAL, CutOff, OrderStatus, PlacingOff, Rechecked, Seen

# A yes may have been a proxy's, or forgotten.
CANCEL_PATIENCE = timedelta(hours=24)


async def run_pass(dependencies: Dependencies, claim: Claim[Order]) -> PassResult | None:
    """Run one pass over a claimed order.

    Returns None if the order was lost to another replica, or left alone.

    Raises:
        UnknownAccountError: no token is configured for the order's account.
    """
    order = claim.row
    if order.status == OrderStatus.PLACING:
        # Whoever was placing it is gone, and with it the knowledge of whether the request went out.
        return await conclude(dependencies, claim, "cut_off", CutOff())
    if order.status == OrderStatus.PENDING and order.cancel_requested_at is not None:
        return await drop(dependencies, claim)
    provider = await dependencies.providers(order.account_id)
    if order.status == OrderStatus.PENDING and not dependencies.placing:
        return await conclude(dependencies, claim, "placing_off", PlacingOff())
    if order.status == OrderStatus.PENDING:
        return await place(dependencies, claim, provider)
    if order.status == OrderStatus.UNCONFIRMED:
        return await seek(dependencies, claim, provider)
    return await _observe(dependencies, claim, provider)


async def _observe(dependencies: Dependencies, claim: Claim[Order], provider: Provider) -> PassResult | None:
    order = claim.row
    found = await recheck(dependencies, claim, provider)
    findings = Findings()
    rechecked = Rechecked(found.trouble, open_hints=found.open_hints)
    observation: Seen | Rechecked = rechecked
    if order.status not in FINAL and order.cloudpress_order_id is not None:
        seen, findings = await _look(
            dependencies, claim, provider, found.replacement or order.cloudpress_order_id
        )
        observation = replace(seen, rechecked=rechecked)
    findings.order_id, findings.order_id_source = found.replacement, found.source
    findings.duplicates = found.duplicates
    findings.look_up = found.look_up
    findings.late_look_done = found.late_look_done
    findings.hints = found.hints
    findings.duplicates_ended = found.ended
    return await conclude(dependencies, claim, "observe", observation, findings)


async def _was_just_accepted(dependencies: Dependencies, accepted_at: datetime | None) -> bool:
    """Tell whether CloudPress has agreed to cancel and may still be at it; after that it is asked again."""
    if accepted_at is None:
        return False
    async with dependencies.db.read() as session:
        return await dependencies.db.now(session) - accepted_at < CANCEL_PATIENCE


async def _look(
    dependencies: Dependencies, claim: Claim[Order], provider: Provider, cloudpress_order_id: str
) -> tuple[Seen, Findings]:
    observer = Observer(dependencies, claim, provider)
    seen = await observer.look(cloudpress_order_id)
    if await _was_just_accepted(dependencies, claim.row.cancel_accepted_at):
        return replace(seen, cancel_accepted=True), observer.findings
    if claim.row.cancel_requested_at is None:
        return seen, observer.findings
    seen, findings = await cancel(dependencies, claim, provider, cloudpress_order_id, seen)
    return seen, observer.findings.followed_by(findings)
