"""The intent to place an order: committed before anything is sent, unless something speaks against it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from app.db.lasting import moment
from app.db.models import Order, Placement
from app.events.timeline import record
from app.events.types import EventType
from app.orders.attempts import may_be_unknown, nothing_landed
from app.orders.changing import changing
from app.orders.orphans import doubt, orphans_like
from app.orders.spoken import PLACE_AGAIN, known_to_operator
from app.queue import leases
from app.queue.leases import Claim
from app.reconciler.concluding import apply
from app.reconciler.passes import Pass, PassResult
from app.reconciler.progress import Progress, kept
from app.reconciler.reappearing import has_reappeared
from app.reconciler.writing import Held
from app.states import (
    LATE_LOOK_AFTER,
    OrderStatus,
    Overdue,
    PlacingOff,
    PostOutcome,
    Reappeared,
    may_have_landed,
)

# An order that could not be sent for so long may not be wanted any more.
GIVEN_UP_AFTER = timedelta(days=1)
# What look-ups have shown is good for as long as lies between two of them, and for what a pass takes.
SHORTEST_LOOK_UP_LIFE_SECONDS = 10.0


@dataclass(frozen=True)
class Intent:
    """The committed intent to place an order; `first` says that no earlier attempt can have made one."""

    attempt: int
    first: bool
    claim: Claim[Order] = field(repr=False)
    """The lease, which was renewed for it."""


class TurnFirst(Enum):
    """What `intend` returns where nothing is written: the pass has to have its turn first."""

    TURN_FIRST = "turn first"


TURN_FIRST: Final = TurnFirst.TURN_FIRST


async def intend(this: Pass) -> Intent | PassResult | TurnFirst | None:
    """Commit that the order is about to be sent, under a lease that is renewed for it.

    Ahead of the pass's turn only what was never sent is intended: of an earlier request something may be
    heard before this one leaves.

    Where something speaks against it that has come up since it was decided, that is seen to first: the result
    is returned. None if it is no longer ours to send.
    """
    is_ahead = this.turn.is_in_line
    intended = await this.write(
        lambda held: _write_intent_unless(this, held, is_ahead=is_ahead), is_last=False
    )
    if isinstance(intended, Intent):
        this.claim = intended.claim
    return intended


async def _write_intent_unless(
    this: Pass, held: Held, *, is_ahead: bool
) -> Intent | PassResult | TurnFirst | None:
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
    if not may_be_unknown(earlier):
        if not await loaded.is_searched(order.account_id):
            # A search that fails for a day is told, as all that keeps an order from being sent.
            return await apply(this, held, "orphans_unknown", unsent(order, tx.now))
        if await loaded.was_restored() and await orphans_like(tx.session, order):
            await doubt(tx, order)
            return await apply(this, held, "orphan_suspected", Reappeared())
    if is_overdue(order, tx.now):
        return await apply(this, held, "overdue", Overdue())
    if not nothing_landed(earlier) and (
        _is_left_to_people(this, order) or await _has_to_look_again(this, held, earlier)
    ):
        return await apply(this, held, "look_again", Reappeared())
    if is_ahead and any(attempt.outcome != PostOutcome.NOT_SENT for attempt in earlier):
        return TURN_FIRST
    return await _write_intent(this, held, earlier)


def is_overdue(order: Order, now: datetime) -> bool:
    """Tell whether an order could not be sent for so long that a person has to say whether it is wanted.

    A time that is yet to come was told by a clock that was ahead and has been put right. One that is more
    than a day to come says nothing of how old the order is, so a person says it; one that is nearer, as
    between two machines whose clocks differ a little, lets the order be sent for a day more at most.
    """
    return abs(now - (asked_to_place_again_at(order) or order.created_at)) > GIVEN_UP_AFTER


def unsent(order: Order, now: datetime) -> Overdue | PlacingOff:
    """Return what it means that an order cannot be sent now."""
    return Overdue() if is_overdue(order, now) else PlacingOff()


def asked_to_place_again_at(order: Order) -> datetime | None:
    """Return when an operator asked for an order to be placed again, if his word still stands."""
    resolution = order.resolution or {}
    asked_at = resolution.get("at") if resolution.get("action") == PLACE_AGAIN else None
    return datetime.fromisoformat(asked_at) if asked_at else None


def _is_left_to_people(this: Pass, order: Order) -> bool:
    """Tell whether nobody has asked for the order to be sent again, and people decide since then."""
    is_asked_for = (order.resolution or {}).get("action") == PLACE_AGAIN
    return not this.dependencies.may_place_again and not is_asked_for


async def _has_to_look_again(this: Pass, held: Held, earlier: Sequence[Placement]) -> bool:
    """Tell whether what look-ups have shown of an order, which is to be sent once more, is old by now."""
    tx = held.tx
    attempt = max(placement.attempt for placement in earlier if may_have_landed(placement.outcome))
    progress = Progress.of(await kept(tx.session, held.order.id), attempt)
    age_seconds = progress.age_seconds(moment(tx))
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
    await _rule_out(held)
    async with changing(tx, order, action="place", view=held.loaded.view) as change:
        record(tx, order.id, EventType.PLACING, attempt=attempt)
        change.move(OrderStatus.PLACING)
    claim = leases.renew(tx, order, this.claim, lease_seconds=this.dependencies.lease_seconds)
    return Intent(attempt, first, claim)


async def _rule_out(held: Held) -> None:
    """Keep what an operator knew of who has an order placed again, since his word ends with the attempt."""
    known = known_to_operator(held.order) or ()
    look_up = await kept(held.tx.session, held.order.id) if known else None
    if look_up is not None:
        look_up.ruled_out = sorted({*look_up.ruled_out, *known})
