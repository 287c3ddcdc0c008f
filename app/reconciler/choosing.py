"""What a pass does: it depends on the order's status and on what was asked for, and on nothing else."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.accounts.store import UnknownAccountError
from app.orders.spoken import is_given_up, is_given_up_for_its_token, waited
from app.reconciler.cancelling import cancel, drop
from app.reconciler.concluding import apply, conclude
from app.reconciler.confirming import confirm, give_up
from app.reconciler.disowning import disowned, disowned_after_its_end
from app.reconciler.duplicates import recheck
from app.reconciler.giving_up import give_up_placed, give_up_unseen
from app.reconciler.holding_back import held_back, is_held_back_by, seen_by_now
from app.reconciler.intents import unsent
from app.reconciler.observing import Observer
from app.reconciler.passes import Pass, PassResult
from app.reconciler.placing import place
from app.reconciler.reappearing import has_reappeared
from app.reconciler.writing import Held
from app.states import FINAL, CutOff, OrderStatus, Reappeared, Rechecked, Seen, is_long

# A yes may have been a proxy's, or forgotten.
CANCEL_PATIENCE = timedelta(hours=24)


async def run_pass(this: Pass) -> PassResult | None:
    """Run a pass over a claimed order.

    Returns None if the order was lost to another replica, or left alone.

    Raises:
        UnknownAccountError: no token is configured for the order's account, and the order is not final.
    """
    order = this.order
    if order.status == OrderStatus.PLACING:
        # Whoever was placing it is gone, and with it the knowledge of whether the request went out.
        return await conclude(this, "cut_off", CutOff())
    if order.status == OrderStatus.PENDING and order.cancel_requested_at is not None:
        return await drop(this)
    if order.status == OrderStatus.UNCONFIRMED and is_given_up(order):
        return await give_up(this)  # That needs no request, and the account may be gone for good.
    try:
        this.provider = await this.dependencies.providers(order.account_id)
    except UnknownAccountError:
        if order.status not in FINAL:
            if is_given_up_for_its_token(order) or (is_given_up(order) and _has_waited(this)):
                return await give_up_unseen(this)
            raise
        # What is left of it may need no request; where it does, it waits for the token.
        this.is_without_token = True
    if order.status == OrderStatus.PENDING and not this.dependencies.placing:
        return await this.write(lambda held: _stay_unsent(this, held))
    if order.status == OrderStatus.PENDING:
        return await place(this)
    if order.status == OrderStatus.UNCONFIRMED:
        return await confirm(this)
    return await _observe(this)


def _has_waited(this: Pass) -> bool:
    return is_long(waited(this.order, this.now()))


async def _stay_unsent(this: Pass, held: Held) -> PassResult:
    """Conclude a pass in which nothing may be sent; after a day a person is asked."""
    if await has_reappeared(held):
        return await apply(this, held, "reappeared", Reappeared())
    return await apply(this, held, "placing_off", unsent(held.order, held.tx.now))


async def _observe(this: Pass) -> PassResult | None:
    order = this.order
    rechecked = await recheck(this)
    observation: Seen | Rechecked = rechecked
    # Its own callback may be about to say that it holds another's.
    is_anothers = rechecked.mixed_up or rechecked.may_be_told_soon
    # What it gets instead is looked at by the next pass, which knows what is said of that: to whom else it
    # was answered, whether it was asked to be cancelled.
    is_looked_at = order.status not in FINAL and not is_anothers and not this.has_found_another
    if is_looked_at and order.cloudpress_order_id is not None:
        observation = await _look(this, order.cloudpress_order_id, rechecked)
    if order.status in FINAL:
        observation = await disowned_after_its_end(this, rechecked)
    if order.status not in FINAL and is_given_up(order):
        return await give_up_placed(this, observation)
    return await this.write(lambda held: _write_observed(this, held, observation))


async def _write_observed(this: Pass, held: Held, observation: Seen | Rechecked) -> PassResult:
    return await apply(this, held, "observe", await seen_by_now(this, held, observation))


def _was_just_accepted(this: Pass, accepted_at: datetime | None) -> bool:
    """Tell whether CloudPress has agreed to cancel and may still be at it; after that it is asked again.

    So it is where a clock that was far ahead says when: to ask once too often does no harm.
    """
    return accepted_at is not None and abs(this.now().wall - accepted_at) < CANCEL_PATIENCE


async def _look(this: Pass, cloudpress_order_id: str, rechecked: Rechecked) -> Seen | Rechecked:
    """Look at what an order holds, unless its own callback may be about to say that it is another's."""
    observer = Observer(this)
    seen = replace(await observer.look(cloudpress_order_id), rechecked=rechecked)
    if is_held_back_by(this, observer.unshown_tasks):
        return held_back(this.findings, rechecked, seen.trouble)
    if observer.disowned_for:
        return await disowned(this, rechecked, observer.disowned_for, seen.trouble)
    if observer.unshown_tasks:  # one that is shown once the order has ended is heard all the same
        seen = replace(seen, rechecked=replace(rechecked, open_hints=True))
    if observer.may_be_anothers:
        return seen
    if _was_just_accepted(this, this.order.cancel_accepted_at):
        return replace(seen, cancel_accepted=True)
    if this.order.cancel_requested_at is None:
        return seen
    return await cancel(this, cloudpress_order_id, seen)
