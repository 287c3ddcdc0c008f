"""One pass over one order: what it does depends on the order's status and on nothing else."""

from app.leases import Claim
from app.reconciler.observing import Observer
from app.reconciler.placing import place
from app.reconciler.recording import PassResult, conclude
from app.reconciler.seeking import seek
from app.reconciler.surroundings import Surroundings
from app.states import CutOff, OrderStatus, PlacingOff


async def run_pass(world: Surroundings, claim: Claim) -> PassResult | None:
    """Run one pass over a claimed order.

    Returns None if the order was lost to another replica, or left alone.

    Raises:
        UnknownAccountError: no token is configured for the order's account.
    """
    order = claim.order
    if order.status == OrderStatus.PLACING:
        # Whoever was placing it is gone, and with it the knowledge of whether the request went out.
        return await conclude(world, claim, "cut_off", CutOff())
    provider = world.providers(order.account_id)
    if order.status == OrderStatus.PENDING and not world.placing:
        return await conclude(world, claim, "placing_off", PlacingOff())
    if order.status == OrderStatus.PENDING:
        return await place(world, claim, provider)
    if order.status == OrderStatus.UNCONFIRMED or order.cloudpress_order_id is None:
        return await seek(world, claim, provider)
    observer = Observer(world, claim, provider)
    seen = await observer.look(order.cloudpress_order_id)
    return await conclude(world, claim, "observe", seen, observer.findings)
