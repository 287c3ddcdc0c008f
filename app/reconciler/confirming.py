"""Looks for an order whose placement is unknown: by late answers, callbacks, look-up, an operator's word."""

from app.orders.attempts import nothing_landed
from app.orders.claims import held_in_doubt
from app.orders.spoken import known_to_operator
from app.reconciler.adopting import adopt
from app.reconciler.asking_others import have_others_asked
from app.reconciler.callback_hints import Named, may_go_on, named_by_callbacks
from app.reconciler.concluding import apply, conclude
from app.reconciler.evidence import (
    ANSWER,
    CALLBACK,
    LOOK_UP,
    OPERATOR,
    Sent,
    held_among,
    what_was_sent,
)
from app.reconciler.looking_up import OrderLookUp, load_progress
from app.reconciler.naming import named_anew
from app.reconciler.not_found import apply_not_found, conclude_not_found, has_spoken_again
from app.reconciler.passes import Pass, PassResult, trouble_of
from app.reconciler.progress import Progress
from app.reconciler.writing import Held
from app.states import Doubt, GivenUp, PostEnded, PostOutcome, Trouble

NOTHING_NAMED = Named()
MISTOLD = frozenset({Doubt.ORDERS_MISSING, Doubt.ORDERS_DIFFER})
"""Doubts of a list by which no order is adopted."""


async def confirm(this: Pass) -> PassResult | None:
    """Look for an unconfirmed order; adopt what surely is it, or place it again once it surely is nowhere."""
    sent = what_was_sent(this)
    resolution = this.order.resolution or {}
    match resolution.get("action"):
        case "adopt":
            this.findings.resolved = True
            return await adopt(this, sent, [resolution["cloudpress_order_id"]], OPERATOR)
    async with this.dependencies.db.read() as session:
        held = await held_among(session, this.order, sent.answered_ids)
    await have_others_asked(this, held)
    other = held | await _settled(this, sent)
    answered = [order_id for order_id in sent.answered_ids if order_id not in other]
    if answered:
        return await adopt(this, sent, answered, ANSWER)
    if sent.late_outcome is not None:
        return await conclude(this, "late_answer", _late_answer(sent, sent.late_outcome))
    return await _look_for(this, sent)


def _late_answer(sent: Sent, outcome: PostOutcome) -> PostEnded:
    last = sent.placements[-1]
    return PostEnded(
        outcome,
        nothing_landed(sent.placements[:-1]),
        reasons=tuple(last.reasons or ()),
        trouble=Trouble("late_answer", status=last.http_status),
    )


async def give_up(this: Pass) -> PassResult | None:
    """Have an order fail by an operator's word: what he knew of is settled, all else suspected."""
    this.findings.resolved = True
    sent = what_was_sent(this)
    progress = await load_progress(this, sent)
    return await this.write(lambda held: _write_failure(this, held, sent, progress))


async def _write_failure(this: Pass, held: Held, sent: Sent, progress: Progress) -> PassResult:
    order, word = held.order, this.order.resolution or {}
    if has_spoken_again(this, held):
        return await apply_not_found(this, held, sent, progress)
    order.settled_duplicates = sorted({*(order.settled_duplicates or ()), *word.get("known", ())}) or None
    held.findings.duplicates |= set(word.get("untold", ()))
    return await apply(this, held, "resolve", GivenUp(word["by"], was_sent=bool(sent.landed)))


async def _look_for(this: Pass, sent: Sent) -> PassResult | None:
    progress = await load_progress(this, sent)
    named = await named_by_callbacks(this, sent)
    progress.may_be_told_soon = named.may_be_told_soon
    held = await _held_by_others(this, (*named.possible, *named.suspects))
    progress.claimed = await _claimed(this, sent, progress, named)
    this.findings.hints = _settled_tasks(sent, named, held)
    other = held | await _settled(this, sent, named)
    own = [order_id for order_id in named.order_ids if order_id not in other]
    if own:
        return await adopt(this, sent, [*own, *await _beside(this, named)], CALLBACK)
    if named.error is not None and not may_go_on(this, named.error):
        progress.trouble = trouble_of(named.error)
        return await conclude_not_found(this, sent, progress)
    await OrderLookUp(this, sent).go_on()
    _suspect(this, sent, progress, named, held)
    is_found = _is_found(this, progress) and not named.may_be_told_soon
    if is_found and _agrees_with_callbacks(progress.candidates[0], named):
        return await adopt(this, sent, progress.candidates, LOOK_UP)
    if named.error is not None:
        # It is told of before what was in the way of the list: its own callback leads there.
        progress.trouble = trouble_of(named.error)
    return await conclude_not_found(this, sent, progress)


async def _settled(this: Pass, sent: Sent, named: Named = NOTHING_NAMED) -> set[str]:
    """Return what an operator has said is not this order, and CloudPress itself has not named since."""
    return set(this.order.settled_duplicates or ()) - await named_anew(this, sent, named)


async def _claimed(this: Pass, sent: Sent, progress: Progress, named: Named) -> list[str]:
    """Return what its own callbacks name for good, also where another order has it by its name or an answer.

    A callback outranks a name, and of an answer that no callback for the other one confirms it may say that
    it was mixed up. Which of the two has it is a person's to say, and the other one is to go no further
    meanwhile, nor is either to take by its name what it has not yet. So what was named stays, also where its
    task is asked about no more, until an operator has spoken or another order surely has it.
    """
    speaking = {it for task, ids in named.of_tasks.items() if task in sent.speaking for it in ids}
    asked = {*named.possible, *named.suspects, *speaking, *progress.claimed}
    if not asked:
        return []
    async with this.dependencies.db.read() as session:
        in_doubt = set(await held_in_doubt(session, this.order, asked))
        surely_held = await held_among(session, this.order, asked) - in_doubt
    settled = surely_held | set(this.order.settled_duplicates or ())
    in_doubt -= settled
    await have_others_asked(this, in_doubt)
    return sorted({*progress.claimed, *speaking, *in_doubt} - settled)


def _settled_tasks(sent: Sent, named: Named, held: set[str]) -> tuple[int, ...]:
    """Return the tasks of which it need not be asked again.

    One that leads to others' orders alone is asked about anew: this one may end as never bought.
    """
    anew = {task_id for task_id, order_ids in named.of_tasks.items() if held.issuperset(order_ids)}
    return tuple(it for it in named.settled if it not in anew & sent.speaking)


async def _held_by_others(this: Pass, order_ids: tuple[str, ...]) -> set[str]:
    if not order_ids:
        return set()  # no transaction is begun for that
    async with this.dependencies.db.read() as session:
        return await held_among(session, this.order, order_ids)


async def _beside(this: Pass, named: Named) -> list[str]:
    """Return what its own callbacks named too, of which nobody has said that it is another's."""
    doubtful = _named_and_doubtful(named)
    held = await _held_by_others(this, doubtful)
    return [it for it in doubtful if it not in held and it not in (this.order.settled_duplicates or ())]


def _suspect(this: Pass, sent: Sent, progress: Progress, named: Named, held: set[str]) -> None:
    """Suspect what a callback named and does not agree, or never told, until an operator dismisses it."""
    known = {*held, *progress.candidates, *progress.suspects, *(this.order.settled_duplicates or ())}
    doubtful = [order_id for order_id in _named_and_doubtful(named) if order_id not in known]
    # CloudPress named those, and another order has them by now: it is somebody's to say which one is it.
    settled = {*progress.candidates, *progress.suspects, *(this.order.settled_duplicates or ())}
    own = [order_id for order_id in (*sent.answered_ids, *progress.claimed) if order_id not in settled]
    progress.suspects += dict.fromkeys((*doubtful, *own))


def _named_and_doubtful(named: Named) -> tuple[str, ...]:
    return (*named.suspects, *named.never_told)


def _is_found(this: Pass, progress: Progress) -> bool:
    """Tell whether a whole list shows one order that agrees, and none that can be ours beside it.

    A list that leaves out what we know to be there may leave out ours as well, and show another's. One that
    tells what we know otherwise, its age above all, may tell another's so that it agrees. An operator who
    knew it, and wants the order placed again, has said that it is not.
    """
    known = known_to_operator(this.order) or ()
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
