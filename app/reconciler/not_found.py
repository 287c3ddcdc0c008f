"""Concludes that an order was not found: whether it is placed again is judged under its lock."""

from app.db.models import Order
from app.db.transactions import Transaction
from app.events.timeline import record
from app.events.types import EventType
from app.orders.orphans import orphans_like
from app.orders.spoken import known_to_operator
from app.reconciler.concluding import apply
from app.reconciler.evidence import Sent
from app.reconciler.intents import is_overdue
from app.reconciler.look_alikes import has_look_alike
from app.reconciler.looking_up import is_grace_over
from app.reconciler.passes import Pass, PassResult
from app.reconciler.progress import Progress
from app.reconciler.writing import Held
from app.states import REFUSALS_FOR_GOOD, NotFoundYet, PostOutcome, Word


async def conclude_not_found(this: Pass, sent: Sent, progress: Progress) -> PassResult | None:
    """Conclude that the order was not found; whether it may be placed again is judged under its lock."""
    return await this.write(lambda held: apply_not_found(this, held, sent, progress))


async def apply_not_found(this: Pass, held: Held, sent: Sent, progress: Progress) -> PassResult:
    """Conclude the same of an order that is held: with what is known of it under its lock."""
    tx, order = held.tx, held.order
    if _said_of(this.order) != _said_of(order):
        progress.look_again()  # the list, of which pages may be read, is older than what was said
    last = sent.landed[-1] if sent.landed else None
    tidying = held.findings.tidying
    is_rejected = last is not None and last.outcome == PostOutcome.REJECTED
    orphans = await orphans_like(tx.session, order) if await held.loaded.was_restored() else ()
    suspects = tuple(dict.fromkeys((*progress.suspects, *orphans)))
    nothing = NotFoundYet(
        grace_over=is_grace_over(this, sent, progress),
        trouble=progress.trouble,
        unfinished=not progress.is_complete,
        look_ups=progress.completed,
        began_late=progress.begun_late,
        doubts=progress.open_doubts,
        candidates=tuple(it for it in progress.candidates if it not in orphans),
        suspects=suspects,
        look_alike=bool(progress.candidates) and await has_look_alike(tx, order, tidying),
        called_back=sent.called_back,
        placing=this.dependencies.placing,
        may_place_again=this.dependencies.may_place_again,
        unwanted=order.cancel_requested_at is not None,
        woken=order.wakes != this.claim.wakes,
        overdue=is_overdue(order, tx.now),
        refused=any(it.http_status in REFUSALS_FOR_GOOD for it in sent.landed),
        reasons=tuple(last.reasons or ()) if last is not None and is_rejected else None,
        word=_word(order, sent, (*progress.candidates, *suspects)),
        has_looked=progress.has_ended,
        may_be_told_soon=progress.may_be_told_soon,
    )
    if nothing.is_nowhere and not nothing.woken:
        _record_nowhere(tx, order, progress)
    return await apply(this, held, "look_up", nothing)


def _word(order: Order, sent: Sent, found: tuple[str, ...]) -> Word | None:
    """Return an operator's word to place the order again, with what he did not know when he gave it."""
    known = known_to_operator(order)
    if known is None:
        return None
    return Word(tuple(it for it in found if it not in known), sent.called_back_since)


def _said_of(order: Order) -> tuple[object, ...]:
    """Return what operators have said of an order."""
    return order.resolution, order.settled_duplicates


def _record_nowhere(tx: Transaction, order: Order, progress: Progress) -> None:
    """Tell the timeline what it is that an order is placed again on, or ends."""
    begun_at = progress.last_begun_at
    record(
        tx,
        order.id,
        EventType.FOUND_NOWHERE,
        look_ups=progress.completed,
        last_look_up_at=begun_at.isoformat() if begun_at else None,
        proven_by=sorted(progress.canaries),
    )


def has_spoken_again(this: Pass, held: Held) -> bool:
    """Tell whether an operator has said something else since the pass began, which the next one does."""
    if held.order.resolution == this.order.resolution:
        return False
    held.findings.resolved = False
    return True
