"""Cancels an order because its client wishes so: at CloudPress, or here if CloudPress has not heard of it."""

from dataclasses import replace

from app.cloudpress import CloudPressError, Refused
from app.cloudpress.protocol import Provider
from app.db.models import Order
from app.queue import leases
from app.queue.leases import Claim
from app.reconciler.concluding import PassResult, apply
from app.reconciler.dependencies import Dependencies, time_left_seconds, trouble_of
from app.reconciler.evidence import has_reappeared, is_first, what_was_sent
from app.reconciler.findings import Findings
from app.reconciler.observing import Observer
from app.states import Reappeared, Seen, Unwanted, is_decided, refuses_to_cancel


async def drop(dependencies: Dependencies, claim: Claim[Order]) -> PassResult | None:
    """Cancel a pending order, unless something speaks for its being at CloudPress already."""
    sent = await what_was_sent(dependencies, claim.row)
    async with dependencies.db.write() as tx:
        order = await leases.hold(tx, claim)
        if order is None:
            return None
        observation: Unwanted | Reappeared = Unwanted(was_sent=not is_first(sent.placements))
        if await has_reappeared(tx.session, order, sent.placements):
            observation = Reappeared()
        return await apply(tx, dependencies, claim, order, action="cancel", observation=observation)


async def cancel(
    dependencies: Dependencies, claim: Claim[Order], provider: Provider, cloudpress_order_id: str, seen: Seen
) -> tuple[Seen, Findings]:
    """Ask CloudPress to cancel an order that was seen open just now, and look at what it shows then.

    Whatever it answered, what it shows decides: the payment or the completion may have been faster.
    """
    if seen.trouble is not None or is_decided(seen):
        return seen, Findings()
    accepted, refusal = False, None
    try:
        await provider.cancel(cloudpress_order_id, timeout_seconds=time_left_seconds(dependencies, claim))
        accepted = True
    except Refused as error:
        if not refuses_to_cancel(error.status):
            return replace(seen, trouble=trouble_of(error)), Findings()
        refusal = error.errors or (f"CloudPress answered {error.status}.",)
    except CloudPressError as error:
        return replace(seen, trouble=trouble_of(error)), Findings()
    observer = Observer(dependencies, claim, provider)
    seen = replace(await observer.look(cloudpress_order_id), cancel_accepted=accepted)
    observer.findings.cancel_accepted = accepted
    observer.findings.cancel_refusal = refusal
    return seen, observer.findings
