"""Rechecks a placed order where something speaks for another CloudPress order than the one it holds.

A late answer or a callback may name another one: it replaces one that was only looked up, and otherwise is
a suspected duplicate. An order that was placed more than once is looked up once more, hours later; one whose
callbacks contradict each other is looked up at once, for neither may have named its own.
"""

from datetime import datetime, timedelta

from app.cloudpress import CloudPressError, OrderDetails
from app.orders.claims import claimed_by_others, held_in_doubt
from app.orders.mix_ups import found_before
from app.orders.shown import is_failed_by_operator, was_gone
from app.reconciler.asking_others import have_others_asked
from app.reconciler.callback_hints import Named, is_about_one, may_go_on, named_by_callbacks
from app.reconciler.disowning import settled_by_operator
from app.reconciler.evidence import (
    ANSWER,
    CALLBACK,
    LOOK_UP,
    Sent,
    held_among,
    what_was_sent,
)
from app.reconciler.looking_up import OrderLookUp, load_progress
from app.reconciler.naming import named_anew
from app.reconciler.passes import Pass, trouble_of
from app.reconciler.progress import Progress
from app.reconciler.window import DRIFT, spelt_as
from app.states import (
    FINAL,
    LATE_LOOK_AFTER,
    OrderStatus,
    Rechecked,
    Trouble,
    is_over,
)

LATE_LOOK_AGAIN = timedelta(minutes=1), timedelta(days=1)
LATE_LOOKS_IN_A_TIME = 20
"""How many more are made, at first, in as much time as has passed since the order was sent."""


async def recheck(this: Pass) -> Rechecked:
    """Find what speaks for another CloudPress order than the one that a placed order holds, or for any."""
    order = this.order
    sent = what_was_sent(this)
    called_back = await named_by_callbacks(this, sent, as_sent=True)
    error, is_complete = called_back.error, called_back.is_complete
    may_be_told_soon = _may_be_anothers(this, called_back)
    this.findings.is_own_called_back = _is_own_called_back(this, called_back)
    if called_back.is_unread_young and order.cloudpress_order_id is not None:
        # One that could not be read may name its own, so for a day it is not judged by the others.
        called_back = Named()
    this.findings.hints = called_back.settled
    # What is not told hides no double. It only takes nothing's place. (`_judge`)
    named = dict.fromkeys(called_back.possible, CALLBACK)
    if order.cloudpress_order_id is None:
        # Nothing is taken from those: that something does not agree makes them no less worth a look.
        named |= dict.fromkeys(called_back.suspects, CALLBACK)
    # An answer needs no request, so no trouble with CloudPress hides what it names.
    named |= dict.fromkeys(sent.answered_ids, ANSWER)
    trouble = trouble_of(error) if error is not None else None
    if error is None or may_go_on(this, error):
        trouble = await _look_beside(this, sent) or trouble
    this.findings.named_anew = await named_anew(this, sent, called_back)
    mixed_up = await _judge(this, sent, called_back, named)
    claimed = this.findings.claimed & named.keys()
    await have_others_asked(this, {*claimed, *this.findings.answered_to_both, *mixed_up})
    try:
        is_in_vain = await _is_called_back_in_vain(this, sent, called_back)
    except CloudPressError as error:
        is_in_vain, trouble = False, trouble_of(error)
    return Rechecked(
        trouble,
        open_hints=not is_complete,
        may_be_told_soon=may_be_told_soon,
        mixed_up=tuple(sorted(mixed_up)),
        claimed=tuple(sorted(this.findings.claimed)),
        called_back=is_in_vain,
    )


def _may_be_anothers(this: Pass, called_back: Named) -> bool:
    """Tell whether callbacks may be about to say that what an order holds is another's.

    One of them has just come to be met with that cannot be read; or the others name something else, and are
    not judged while one cannot be read that may name its own. What has ended is concluded already.
    """
    own = this.order.cloudpress_order_id
    if own is None or this.order.status in FINAL or _is_own_called_back(this, called_back):
        return False
    is_contradicted = called_back.is_unread_young and (called_back.possible or called_back.suspects)
    return called_back.may_be_told_soon or bool(is_contradicted)


def _is_own_called_back(this: Pass, called_back: Named) -> bool:
    """Tell whether a callback has named what the order holds."""
    return this.order.cloudpress_order_id in called_back.order_ids or any(
        it.task_id in this.known.own_task_ids for it in this.known.callbacks
    )


async def _is_called_back_in_vain(this: Pass, sent: Sent, called_back: Named) -> bool:
    """Tell whether CloudPress calls back for what it never had, or goes on with what ended without it.

    Raises:
        CloudPressError: it does not tell whether it shows again what it did not for some minutes.
    """
    order_id = this.order.cloudpress_order_id
    if order_id is None:
        return _leads_nowhere(this, sent, called_back)
    if not this.known.speaking:
        return False
    if was_gone(this.order):
        details = await this.find_order(order_id)
        return details is not None and not _is_over(details.value)
    if not is_failed_by_operator(this.order):
        return False
    try:
        return not await _is_over_there(this, order_id)
    except CloudPressError:
        return True


async def _is_over_there(this: Pass, order_id: str) -> bool:
    """Tell whether CloudPress shows that an order was cancelled or has failed.

    Raises:
        CloudPressError: CloudPress does not tell.
    """
    details = await this.find_order(order_id)
    return details is not None and _is_over(details.value)


def _is_over(details: OrderDetails) -> bool:
    return is_over(details.status, (task.status for task in details.tasks))


def _leads_nowhere(this: Pass, sent: Sent, called_back: Named) -> bool:
    """Tell whether callbacks speak for an order without leading to one of which a person can be told.

    Their tasks are asked about anew at each look, until an operator has spoken: whatever else a person is
    told of the order meanwhile, no callback is forgotten behind that.
    """
    order, findings = this.order, this.findings
    told = {*findings.duplicates, *(order.suspected_duplicates or ()), *(order.settled_duplicates or ())}
    nowhere = {
        task_id
        for task_id, order_ids in called_back.of_tasks.items()
        if task_id in sent.speaking and not told.issuperset(order_ids or ("",))
    }
    findings.hints = tuple(task_id for task_id in findings.hints if task_id not in nowhere)
    return sent.names_no_task or bool(nowhere)


async def _look_beside(this: Pass, sent: Sent) -> Trouble | None:
    """Look at what is suspected and, where its time has come, for what a late request has made."""
    late_look_at = this.order.late_look_at
    try:
        trouble = await _look_at_duplicates(this)
        if (
            late_look_at is not None
            and late_look_at <= sent.now.wall
            and not _is_early(this, sent, late_look_at)
        ):
            trouble = await _look_again(this, sent, late_look_at) or trouble
    except CloudPressError as error:
        return trouble_of(error)
    return trouble


def _is_early(this: Pass, sent: Sent, late_look_at: datetime) -> bool:
    """Tell whether a clock that stepped has the late look come too early; it is put off then.

    It counts from the last attempt, by the uptime where this machine made that. What is to be looked for at
    once, because callbacks contradict each other, is looked for at once.
    """
    last = sent.landed[-1] if sent.landed else None
    if last is None or late_look_at - last.sent_at < LATE_LOOK_AFTER:
        return False
    rest = LATE_LOOK_AFTER - sent.now.since(last)
    if rest <= DRIFT:
        return False
    this.findings.late_look_again_at = sent.now.wall + rest
    return True


async def _look_at_duplicates(this: Pass) -> Trouble | None:
    """See which suspected duplicates were cancelled or have failed: nobody has to do anything about those.

    One that cannot be shown hides neither the others nor what else is looked for; what kept it is returned.
    """
    trouble: Trouble | None = None
    for order_id in this.order.suspected_duplicates or ():
        try:
            if await _is_over_there(this, order_id):
                this.findings.duplicates_ended.add(order_id)
        except CloudPressError as error:
            if not is_about_one(error):
                raise
            trouble = trouble_of(error)
    return trouble


async def _look_again(this: Pass, sent: Sent, late_look_at: datetime) -> Trouble | None:
    """Look for a second order that a late request has made meanwhile.

    A look-up that was left half-way when the order was found has seen nothing of that; nor does one count
    that a clock says was begun later than now.
    """
    progress = await load_progress(this, sent)
    if progress.begun_at is not None and not late_look_at <= progress.begun_at <= sent.now.wall:
        progress.look_again()
    progress = await OrderLookUp(this, sent, by_name=True).go_on()
    if progress.has_ended:
        own = this.order.cloudpress_order_id
        found = (*progress.candidates, *progress.suspects)
        this.findings.duplicates |= {spelt_as(own, order_id) for order_id in found}
        has_seen_all = _shows_its_own(this, progress) and not progress.unseen
        this.findings.late_look_done = has_seen_all
        # A final order is tried again as all is that fails, so that a person is asked in the end.
        if not has_seen_all and (this.order.status not in FINAL or progress.trouble is None):
            this.findings.late_look_again_at = _again_at(this, sent)
    return progress.trouble


def _shows_its_own(this: Pass, progress: Progress) -> bool:
    """Tell whether the list showed what the order holds, if that has to be there.

    What was cancelled, or has failed, need not be listed any more.
    """
    own = this.order.cloudpress_order_id
    if own is None or this.order.status in {OrderStatus.CANCELLED, OrderStatus.FAILED}:
        return True
    canary = progress.canaries.get(own)
    is_in_other_letters = own.lower() in map(str.lower, (*progress.candidates, *progress.suspects))
    return is_in_other_letters or (canary is not None and canary.is_listed)


def _again_at(this: Pass, sent: Sent) -> datetime:
    """Return when a late look that did not see all is made again: the later, the longer ago it was sent."""
    last = sent.landed[-1].sent_at if sent.landed else this.order.created_at
    shortest, longest = LATE_LOOK_AGAIN
    return sent.now.wall + min(max((sent.now.wall - last) / LATE_LOOKS_IN_A_TIME, shortest), longest)


async def _judge(this: Pass, sent: Sent, called_back: Named, named: dict[str, str]) -> set[str]:
    """Find which of the named CloudPress orders replaces the one that is held, and which are duplicates.

    Returns those with which the one that is held may be mixed up, or itself where it may be another's.
    (`_not_its_own`, `claimed_by_others`)
    """
    order, findings = this.order, this.findings
    before = set(order.suspected_duplicates or ())
    asked = {*named, *findings.duplicates, *called_back.suspects, *before} - {order.cloudpress_order_id}
    async with this.dependencies.db.read() as session:
        held = await held_among(session, order, asked)
        in_doubt = await held_in_doubt(session, order, held)
        # What another order has by look-up alone may well be ours, which was told of it.
        surely_held = {it for it in held if in_doubt.get(it) != LOOK_UP}
        is_shared = this.known.may_be_named_for_another
        claimed = await claimed_by_others(session, order, may_be_named_for_another=is_shared)
    findings.alike = _named_alike(this, sent, called_back)
    findings.answered_to_both = frozenset(held.intersection(sent.answered_ids))
    taken = (held - surely_held) & named.keys()
    others = [order_id for order_id in named if order_id not in {*held, order.cloudpress_order_id}]
    replaces = order.cloudpress_order_id_source == LOOK_UP and order.status not in FINAL
    # That a callback has named it was read by a pass before this one, perhaps.
    own_is_named = order.cloudpress_order_id in named or findings.is_own_called_back
    settled = settled_by_operator(this)
    surer = [it for it in others if it in {*called_back.order_ids, *sent.answered_ids} and it not in settled]
    if surer and replaces and not own_is_named:
        findings.order_id, findings.order_id_source = surer[0], named[surer[0]]
        others.remove(surer[0])
        claimed = set()  # what it has no more is not asked about
    findings.duplicates |= {*others, *taken}
    findings.claimed = frozenset((held - surely_held) & {*named, *before} - settled)
    known = {*settled, *before}
    findings.is_contradicted = any(named[it] == CALLBACK and it not in known for it in (*others, *taken))
    holders = {*(held - taken), order.cloudpress_order_id or "", findings.order_id or ""}
    findings.duplicates -= {*holders, *settled}
    mixed_up = _not_its_own(this, sent, called_back, set(in_doubt), surely_held) | claimed
    findings.mixed_up = frozenset(mixed_up)
    findings.duplicates |= mixed_up
    findings.duplicates_ended = (findings.duplicates_ended | (before & surely_held)) - mixed_up
    findings.is_its_own = findings.order_id is None and order.cloudpress_order_id not in mixed_up
    if mixed_up:
        findings.hints = ()  # It is asked anew until an operator has spoken, or the own callback has come.
    return mixed_up


def _named_alike(this: Pass, sent: Sent, called_back: Named) -> frozenset[str]:
    """Return what its own callbacks name as an order by a name that is alike, where an answer may be wrong.

    Whether it is depends on what the order holds: that is told with a name that is none of its own.
    """
    is_answered_once = this.order.cloudpress_order_id_source == ANSWER and len(sent.landed) == 1
    if not (is_answered_once and sent.speaking) or _is_own_called_back(this, called_back):
        return frozenset()
    return frozenset(called_back.alike) - settled_by_operator(this)


def _not_its_own(
    this: Pass, sent: Sent, called_back: Named, in_doubt: set[str], surely_held: set[str]
) -> set[str]:
    """Return the CloudPress orders that its own callbacks name, where they do not name the one that it holds.

    CloudPress may have answered with another's order. Those count that another order here holds, unless its
    own callback says that they are its own; also where something of them does not agree: nobody knows what
    CloudPress does to the names of first orders.
    Of the others only those count of which nothing differs, and where a single request was sent, so that two
    of its own are no likelier explanation. Whoever knows a callback's secret can say so too, but stops by it
    his own order alone: the other one is left as it is, for its own callback speaks for it.

    What was found so stays, whatever becomes of what the callback named, until the own callback has come or
    an operator has dismissed it. What only looked like the order beside that is a double like any other.
    """
    order = this.order
    own = order.cloudpress_order_id
    if own is None or _is_own_called_back(this, called_back):
        return set()
    told = found_before(order)
    is_told = bool(told)
    # By failing the order an operator has overruled its callbacks, and has not said whose it is.
    is_asked = bool(sent.speaking) or is_told
    before = set(order.suspected_duplicates or ()) if is_asked else set()
    found = ({*called_back.possible, *called_back.suspects} & in_doubt) | (before & surely_held)
    if order.cloudpress_order_id_source == ANSWER and len(sent.landed) == 1:
        # What was asked may have been overwritten by something else that a person was told meanwhile.
        found |= {*called_back.possible, *(before if not is_told else ())}
    found |= told
    return found - settled_by_operator(this) - {own, this.findings.order_id or ""}
