"""Looks for an order whose placement is unknown: by late answers, callbacks, look-up, an operator's word."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from app.cloudpress import NotFound
from app.db.database import Transaction
from app.db.models import RESTORED, Order
from app.events.timeline import record
from app.events.types import EventType
from app.orders.attempts import nothing_landed
from app.orders.orphans import is_left_to_people, orphans_like
from app.orders.waking import make_due
from app.reconciler.callback_hints import Named, is_about_one, named_by_callbacks
from app.reconciler.concluding import apply, conclude
from app.reconciler.evidence import (
    ANSWER,
    CALLBACK,
    LOOK_UP,
    OPERATOR,
    Sent,
    answered_to_others,
    ended_by_anothers,
    held_among,
    is_told_around,
    is_told_soon_after_acceptance,
    what_was_sent,
)
from app.reconciler.intents import PLACE_AGAIN, is_overdue
from app.reconciler.look_alikes import has_look_alike
from app.reconciler.looking_up import OrderLookUp, is_grace_over, load_progress
from app.reconciler.observing import UNUSABLE_ID, Observer
from app.reconciler.passes import Pass, PassResult, trouble_of
from app.reconciler.progress import Progress
from app.reconciler.writing import Held
from app.states import (
    GONE_AFTER,
    REFUSALS_FOR_GOOD,
    Doubt,
    GivenUp,
    NotFoundYet,
    PostEnded,
    PostOutcome,
    Rechecked,
    Seen,
    Trouble,
    Word,
)

MISTOLD = frozenset({Doubt.ORDERS_MISSING, Doubt.ORDERS_DIFFER})
"""Doubts of a list by which no order is adopted."""


def is_given_up(order: Order) -> bool:
    """Tell whether an operator has decided that the order fails."""
    return (order.resolution or {}).get("action") == "fail"


async def give_up(this: Pass) -> PassResult | None:
    """Have an order fail by an operator's word: what he knew of is settled, all else suspected."""
    this.findings.resolved = True
    sent = what_was_sent(this)
    progress = await load_progress(this, sent)
    return await this.write(lambda held: _write_failure(this, held, sent, progress))


async def confirm(this: Pass) -> PassResult | None:
    """Look for an unconfirmed order; adopt what surely is it, or place it again once it surely is nowhere."""
    sent = what_was_sent(this)
    resolution = this.order.resolution or {}
    match resolution.get("action"):
        case "adopt":
            this.findings.resolved = True
            return await _adopt(this, sent, [resolution["cloudpress_order_id"]], OPERATOR)
    async with this.dependencies.db.read() as session:
        held = await held_among(session, this.order, sent.answered_ids)
        ended = await ended_by_anothers(session, this.order, held)
    if ended:
        await _have_asked(this, ended)
    answered = [order_id for order_id in sent.answered_ids if order_id not in held]
    if answered:
        return await _adopt(this, sent, answered, ANSWER)
    if sent.late_outcome is not None:
        return await conclude(this, "late_answer", _late_answer(sent, sent.late_outcome))
    return await _look_for(this, sent)


async def _have_asked(this: Pass, order_ids: list[UUID]) -> None:
    """Have orders looked at that have ended as what this one was answered with: it is asked whose it is.

    In a transaction of its own: where many orders are locked, they are by their ids.
    """
    async with this.dependencies.db.write() as tx:
        ended = select(Order).where(Order.id.in_(order_ids)).order_by(Order.id).with_for_update()
        for order in await tx.session.scalars(ended):
            make_due(tx, order)


async def _write_failure(this: Pass, held: Held, sent: Sent, progress: Progress) -> PassResult:
    order, word = held.order, this.order.resolution or {}
    if _has_spoken_again(this, held):
        return await _apply_not_found(this, held, sent, progress)
    order.settled_duplicates = sorted({*(order.settled_duplicates or ()), *word.get("known", ())}) or None
    held.findings.duplicates |= set(word.get("untold", ()))
    return await apply(this, held, "resolve", GivenUp(word["by"], was_sent=bool(sent.landed)))


async def _look_for(this: Pass, sent: Sent) -> PassResult | None:
    progress = await load_progress(this, sent)
    named = await named_by_callbacks(this, sent)
    this.findings.hints = named.settled
    async with this.dependencies.db.read() as session:
        held = await held_among(session, this.order, named.order_ids)
    own = [order_id for order_id in named.order_ids if order_id not in held]
    if own:
        return await _adopt(this, sent, [*own, *await _beside(this, named)], CALLBACK)
    if named.error is not None and not is_about_one(named.error):
        progress.trouble = trouble_of(named.error)
        return await _conclude_not_found(this, sent, progress)
    await OrderLookUp(this, sent).go_on()
    await _suspect(this, sent, progress, named)
    if _is_found(this, progress) and _agrees_with_callbacks(progress.candidates[0], named):
        return await _adopt(this, sent, progress.candidates, LOOK_UP)
    if named.error is not None:
        # It is told of before what was in the way of the list: its own callback leads there.
        progress.trouble = trouble_of(named.error)
    return await _conclude_not_found(this, sent, progress)


async def _beside(this: Pass, named: Named) -> list[str]:
    """Return what its own callbacks named too, of which nobody has said that it is another's."""
    doubtful = _named_and_doubtful(named)
    async with this.dependencies.db.read() as session:
        held = await held_among(session, this.order, doubtful)
    return [it for it in doubtful if it not in held and it not in (this.order.settled_duplicates or ())]


async def _suspect(this: Pass, sent: Sent, progress: Progress, named: Named) -> None:
    """Suspect what a callback named and what does not agree, or never told, until an operator dismisses it.

    A task that leads to others' orders alone is asked about anew: this one may end as never bought.
    """
    async with this.dependencies.db.read() as session:
        held = await held_among(session, this.order, (*named.suspects, *named.untold))
    nowhere = {task_id for task_id, order_ids in named.of_tasks.items() if held.issuperset(order_ids)}
    this.findings.hints = tuple(it for it in named.settled if it not in nowhere & sent.speaking)
    known = {*held, *progress.candidates, *progress.suspects, *(this.order.settled_duplicates or ())}
    doubtful = [order_id for order_id in _named_and_doubtful(named) if order_id not in known]
    # Its own answer named those, and another order has them by now: it is somebody's to say which one is it.
    settled = {*progress.candidates, *progress.suspects, *(this.order.settled_duplicates or ())}
    answered = [order_id for order_id in sent.answered_ids if order_id not in settled]
    progress.suspects += dict.fromkeys((*doubtful, *answered))


def _named_and_doubtful(named: Named) -> tuple[str, ...]:
    return (*named.suspects, *named.never_told)


def _is_found(this: Pass, progress: Progress) -> bool:
    """Tell whether a whole list shows one order that agrees, and none that can be ours beside it.

    A list that leaves out what we know to be there may leave out ours as well, and show another's. One that
    tells what we know otherwise, its age above all, may tell another's so that it agrees. An operator who
    knew it, and wants the order placed again, has said that it is not.
    """
    known = _known_to_operator(this.order) or ()
    return (
        progress.has_ended
        and progress.is_whole
        and not MISTOLD & set(progress.doubts)
        and len(progress.candidates) == 1
        and not progress.suspects
        and progress.candidates[0] not in {*known, *progress.ruled_out}
    )


def _agrees_with_callbacks(order_id: str, named: Named) -> bool:
    """Tell whether no callback of its own names another one, of which nothing differs so far."""
    return not named.untold or order_id in named.untold


async def _may_be_younger_than_the_backup(this: Pass, held: Held, sent: Sent) -> bool:
    """Tell whether what was found may be one that a restored database has lost, so another customer's.

    What was made while an order was surely sent is none: whoever else had sent one by then is in the backup.
    An order that was not sent by then has nothing but its name to go by, and that it is sent at once.
    """
    order, details = held.order, held.findings.order
    if await is_left_to_people(held.tx.session, order, held.findings.order_id or ""):
        return True
    if all(attempt.callback_key_id != RESTORED for attempt in sent.landed):
        return False
    if details is None:
        return True
    surely = replace(sent, placements=tuple(it for it in sent.placements if it.callback_key_id != RESTORED))
    if not surely.landed:
        return not is_told_soon_after_acceptance(order, sent, details)
    seconds = this.dependencies.upstream_timeout_seconds
    return not is_told_around(order, surely, details, is_understood=False, sending_seconds=seconds)


def _ruled_out(order: Order) -> set[str]:
    """Return the CloudPress orders of which an operator has said, perhaps just now, that none is it."""
    return {*(order.settled_duplicates or ()), *(_known_to_operator(order) or ())}


def _has_spoken_again(this: Pass, held: Held) -> bool:
    """Tell whether an operator has said something else since the pass began, which the next one does."""
    if held.order.resolution == this.order.resolution:
        return False
    held.findings.resolved = False
    return True


def _is_to_end_otherwise(order: Order) -> bool:
    """Tell whether an operator has said, perhaps just now, which one it is or that it fails."""
    return (order.resolution or {}).get("action") in {"adopt", "fail"}


def _known_to_operator(order: Order) -> list[str] | None:
    """Return the CloudPress orders that an operator knew of when he had an order placed again, if he has."""
    resolution = order.resolution or {}
    known: list[str] = resolution.get("known", [])
    return known if resolution.get("action") == PLACE_AGAIN else None


def _late_answer(sent: Sent, outcome: PostOutcome) -> PostEnded:
    last = sent.placements[-1]
    return PostEnded(
        outcome,
        nothing_landed(sent.placements[:-1]),
        reasons=tuple(last.reasons or ()),
        trouble=Trouble("late_answer", status=last.http_status),
    )


async def _conclude_not_found(this: Pass, sent: Sent, progress: Progress) -> PassResult | None:
    """Conclude that the order was not found; whether it may be placed again is judged under its lock."""
    return await this.write(lambda held: _apply_not_found(this, held, sent, progress))


async def _apply_not_found(this: Pass, held: Held, sent: Sent, progress: Progress) -> PassResult:
    tx, order = held.tx, held.order
    last = sent.landed[-1] if sent.landed else None
    tidying = held.findings.tidying
    is_rejected = last is not None and last.outcome == PostOutcome.REJECTED
    orphans = await orphans_like(tx.session, order)
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
    )
    if nothing.is_nowhere and not nothing.woken:
        _record_nowhere(tx, order, progress)
    return await apply(this, held, "look_up", nothing)


def _word(order: Order, sent: Sent, found: tuple[str, ...]) -> Word | None:
    """Return an operator's word to place the order again, with what he did not know when he gave it."""
    known = _known_to_operator(order)
    if known is None:
        return None
    return Word(tuple(it for it in found if it not in known), sent.called_back_since)


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


async def _adopt(this: Pass, sent: Sent, order_ids: list[str], source: str) -> PassResult | None:
    """Take the first of the CloudPress orders for ours, unless another order has it or may mean it.

    The others, if there are any, are suspected duplicates.
    """
    observation = await Observer(this).look(order_ids[0])
    findings = this.findings
    if source == OPERATOR and findings.order is None:
        return await _put_off_adoption(this, sent, observation)
    found = findings.order.value.id if findings.order is not None else order_ids[0]
    # An operator may write it in other letters than CloudPress, whose ids are UUIDs.
    findings.order_id = found if found.lower() == order_ids[0].lower() else order_ids[0]
    findings.order_id_source = source
    findings.duplicates = {order_id for order_id in order_ids[1:] if order_id != order_ids[0]}
    progress = await load_progress(this, sent)
    # What looked like it too may be its double, or another's that is still sought: hours later it shows.
    beside = {*progress.candidates, *progress.suspects} - {findings.order_id, *findings.duplicates}
    findings.may_be_doubled = bool(beside - _ruled_out(this.order))
    return await this.write(
        lambda held: _write_adoption(this, held, sent, progress, source, observation),
        named=(findings.order_id,),
    )


async def _put_off_adoption(this: Pass, sent: Sent, observation: Seen) -> PassResult | None:
    """Keep an operator's word until CloudPress shows what it names: its letters may be his, and a slip.

    What CloudPress answers 404 for may be shown yet; after some minutes the word ends, and the order asks on.
    """
    this.findings.forget_identity()
    this.findings.resolved = False
    progress = await load_progress(this, sent)
    progress.trouble = observation.trouble or trouble_of(NotFound(404))
    is_unknown = observation.trouble is None or observation.trouble.kind == UNUSABLE_ID
    return await this.write(lambda held: _write_put_off(this, held, sent, progress, is_unknown=is_unknown))


async def _write_put_off(
    this: Pass, held: Held, sent: Sent, progress: Progress, *, is_unknown: bool
) -> PassResult:
    tx, order, word = held.tx, held.order, this.order.resolution or {}
    said_at = datetime.fromisoformat(word["at"]) if "at" in word else None
    is_old = said_at is None or tx.now - said_at >= GONE_AFTER
    if is_unknown and is_old and order.resolution == word:
        held.findings.resolved = True
        progress = _adopted_in_vain(held, progress, word["cloudpress_order_id"])
    return await _apply_not_found(this, held, sent, progress)


def _adopted_in_vain(held: Held, progress: Progress, named: str) -> Progress:
    """Note that an operator had the order adopt what it cannot be: he has seen one, so people decide."""
    record(held.tx, held.order.id, EventType.RESOLUTION_IMPOSSIBLE, cloudpress_order_id=named)
    progress = replace(progress, trouble=None, adopted_in_vain=True)
    held.findings.look_up = progress
    return progress


async def _write_adoption(
    this: Pass, held: Held, sent: Sent, progress: Progress, source: str, observation: Seen
) -> PassResult:
    tx, order, findings = held.tx, held.order, held.findings
    found = findings.order_id or ""
    unsure = source == LOOK_UP and (
        found in {*_ruled_out(order), *progress.ruled_out}
        or found in await answered_to_others(tx.session, order, [found])
        or _is_to_end_otherwise(order)
        or await has_look_alike(tx, order, findings.tidying)
        or await _may_be_younger_than_the_backup(this, held, sent)
    )
    if source == OPERATOR and _has_spoken_again(this, held):
        findings.forget_identity()
        return await _apply_not_found(this, held, sent, progress)
    if unsure or await held.loaded.is_held_by_another(order, found):
        # Checked under the lock: what was free when it was looked at may be taken by now.
        findings.forget_identity()
        if source == OPERATOR:
            progress = _adopted_in_vain(held, progress, found)
        return await _apply_not_found(this, held, sent, progress)
    return await apply(this, held, f"adopt_by_{source}", await _with_unread_callbacks(held, observation))


async def _with_unread_callbacks(held: Held, observation: Seen) -> Seen:
    """Have all be read that its callbacks name beside what was found, also where that has ended already.

    What was suspected for as long as the order was sought may be its double.
    """
    findings = held.findings
    findings.reads_callbacks_anew = True
    unread = (
        callback.task_id is not None and callback.overruled_at is None
        for callback in await held.loaded.callbacks(held.order.id)
        if callback.task_id not in {*findings.tasks, *findings.hints}
    )
    return replace(observation, rechecked=Rechecked(open_hints=any(unread)))
