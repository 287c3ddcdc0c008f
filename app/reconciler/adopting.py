"""Takes a CloudPress order for ours, unless another order has it or may mean it, or CloudPress shows none."""

from dataclasses import replace

from app.cloudpress import NotFound
from app.db.lasting import Span, lasted, met_again, moment
from app.db.models import RESTORED
from app.events.timeline import record
from app.events.types import EventType
from app.orders.attempts import may_be_unknown
from app.orders.claims import answered_to_others, is_called_back_for_another
from app.orders.orphans import is_left_to_people
from app.orders.spoken import dismissed_meanwhile, is_to_end_otherwise, ruled_out
from app.reconciler.answered_tasks import answered_tasks
from app.reconciler.concluding import apply
from app.reconciler.evidence import (
    ANSWER,
    LOOK_UP,
    OPERATOR,
    Sent,
    dismissed_by_others,
    is_told_around,
    is_told_soon_after_acceptance,
    promised_to_others,
)
from app.reconciler.holding_back import held_back, is_named_anew
from app.reconciler.look_alikes import has_look_alike
from app.reconciler.looking_up import load_progress
from app.reconciler.not_found import apply_not_found, has_spoken_again
from app.reconciler.observing import UNUSABLE_ID, Observer
from app.reconciler.passes import Pass, PassResult, trouble_of
from app.reconciler.progress import Progress
from app.reconciler.window import spelt_as
from app.reconciler.writing import Held
from app.states import GONE_AFTER, Rechecked, Seen


async def adopt(this: Pass, sent: Sent, order_ids: list[str], source: str) -> PassResult | None:
    """Take the first of the CloudPress orders for ours, unless another order has it or may mean it.

    The others, if there are any, are suspected duplicates.
    """
    observation = await Observer(this).look(order_ids[0])
    findings = this.findings
    if source == OPERATOR and findings.order is None:
        return await _put_off_adoption(this, sent, observation)
    findings.order_id = spelt_as(findings.order.value.id if findings.order else None, order_ids[0])
    findings.order_id_source = source
    findings.duplicates = {order_id for order_id in order_ids[1:] if order_id != order_ids[0]}
    progress = await load_progress(this, sent)
    # What looked like it too may be its double, or another's that is still sought: hours later it shows.
    beside = {*progress.candidates, *progress.suspects} - {findings.order_id, *findings.duplicates}
    findings.may_be_doubled = bool(beside - ruled_out(this.order))
    return await this.write(lambda held: _write_adoption(this, held, sent, progress, source, observation))


async def _put_off_adoption(this: Pass, sent: Sent, observation: Seen) -> PassResult | None:
    """Keep an operator's word until CloudPress shows what it names: its letters may be his, and a slip.

    What CloudPress answers 404 for may be shown yet; once that has lasted for some minutes, counted from look
    to look, the word ends, and the order asks on.
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
    if is_unknown and order.resolution == word:
        unknown, now = word.get("unknown"), moment(tx)
        if lasted(unknown, now, Span.MINUTES) >= GONE_AFTER:
            held.findings.resolved = True
            progress = _adopted_in_vain(held, progress, word["cloudpress_order_id"])
        else:
            order.resolution = {**word, "unknown": met_again(unknown, now)}
    return await apply_not_found(this, held, sent, progress)


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
    # While the pass was asking, an operator may have said that it is not this one.
    is_dismissed = source != OPERATOR and found in dismissed_meanwhile(this.order, order)
    unsure = source == LOOK_UP and (
        found in {*ruled_out(order), *progress.ruled_out}
        or found in await answered_to_others(tx.session, order, [found])
        or await is_called_back_for_another(tx.session, order, found, findings.tasks.keys())
        or found in await dismissed_by_others(tx.session, order)
        or found.lower() in await promised_to_others(tx.session, order)
        or is_to_end_otherwise(order)
        or await is_named_anew(this, held)
        or await has_look_alike(tx, order, findings.tidying)
        or await _may_be_younger_than_the_backup(this, held, sent)
    )
    if source == OPERATOR and has_spoken_again(this, held):
        findings.forget_identity()
        return await apply_not_found(this, held, sent, progress)
    if unsure or is_dismissed or await held.loaded.is_held_by_another(order, found):
        # Checked under the lock: what was free when it was looked at may be taken by now.
        findings.forget_identity()
        if source == OPERATOR:
            progress = _adopted_in_vain(held, progress, found)
        return await apply_not_found(this, held, sent, progress)
    observation = await _with_unread_callbacks(held, observation, source)
    return await apply(this, held, f"adopt_by_{source}", observation)


async def _may_be_younger_than_the_backup(this: Pass, held: Held, sent: Sent) -> bool:
    """Tell whether what was found may be one that a restored database has lost, so another customer's.

    What was made while an order was surely sent is none: whoever else had sent one by then is in the backup.
    An order that was not sent by then has nothing but its name to go by, and that it is sent at once.
    """
    order, details = held.order, held.findings.order
    is_doubted = may_be_unknown(sent.landed)
    found = held.findings.order_id or ""
    if await is_left_to_people(held.tx.session, order, found, is_doubted=is_doubted):
        return True
    if not is_doubted:
        return False
    if details is None:
        return True
    surely = replace(sent, placements=tuple(it for it in sent.placements if it.callback_key_id != RESTORED))
    if not surely.landed:
        return not is_told_soon_after_acceptance(order, sent, details)
    seconds = this.dependencies.upstream_timeout_seconds
    return not is_told_around(order, surely, details, is_understood=False, sending_seconds=seconds)


async def _with_unread_callbacks(held: Held, observation: Seen, source: str) -> Seen:
    """Have all be read that its callbacks name beside what was found, also where that has ended already.

    What was suspected for as long as the order was sought may be its double. And what an answer named, or was
    found by its name, may be another's, as one of them is about to say: nothing is concluded before. Nor is
    it where another order was answered with it too, before a person was asked; nor where the answer named a
    task that was not read, as CloudPress does not list it with what the answer named.
    """
    findings = held.findings
    findings.reads_callbacks_anew = True
    unread = (
        callback.task_id is not None and callback.overruled_at is None
        for callback in await held.loaded.callbacks(held.order.id)
        if callback.task_id not in {*findings.read_tasks, *findings.hints}
    )
    is_left = any(unread)
    found = findings.order_id or ""
    is_shared = source == ANSWER and await answered_to_others(held.tx.session, held.order, [found])
    answered = await answered_tasks(held.tx.session, held.order, found) if source == ANSWER else {}
    is_doubted = is_shared or not findings.read_tasks.issuperset(answered)
    findings.tasks = {**answered, **findings.tasks}
    if not is_doubted and (not is_left or source not in {ANSWER, LOOK_UP}):
        return replace(observation, rechecked=Rechecked(open_hints=is_left))
    rechecked = held_back(findings, Rechecked())
    return replace(observation, order_status=None, tasks=(), site_read=False, rechecked=rechecked)
