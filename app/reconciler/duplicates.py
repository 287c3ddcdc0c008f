"""Rechecks a placed order where something speaks for another CloudPress order than the one it holds.

A late answer or a callback may name another one: it replaces one that was only looked up, and otherwise is
a suspected duplicate (`judging`). An order that was placed more than once is looked up once more, hours
later; one whose callbacks contradict each other is looked up at once, for neither may have named its own
(`late_looks`).
"""

from app.cloudpress import CloudPressError
from app.reconciler.asking_others import have_others_asked
from app.reconciler.callback_hints import Named, may_go_on, named_by_callbacks
from app.reconciler.evidence import ANSWER, CALLBACK, what_was_sent
from app.reconciler.judging import is_own_called_back, judge
from app.reconciler.late_looks import look_beside
from app.reconciler.naming import named_anew
from app.reconciler.passes import Pass, trouble_of
from app.reconciler.vain_callbacks import is_called_back_in_vain
from app.states import FINAL, Rechecked


async def recheck(this: Pass) -> Rechecked:
    """Find what speaks for another CloudPress order than the one that a placed order holds, or for any."""
    order = this.order
    sent = what_was_sent(this)
    called_back = await named_by_callbacks(this, sent, as_sent=True)
    error, is_complete = called_back.error, called_back.is_complete
    may_be_told_soon = _may_be_anothers(this, called_back)
    this.findings.is_own_called_back = is_own_called_back(this, called_back)
    if called_back.is_unread_young and order.cloudpress_order_id is not None:
        # One that could not be read may name its own, so for a day it is not judged by the others.
        called_back = Named()
    this.findings.hints = called_back.settled
    # What is not told hides no double. It only takes nothing's place. (`judge`)
    named = dict.fromkeys(called_back.possible, CALLBACK)
    if order.cloudpress_order_id is None:
        # Nothing is taken from those: that something does not agree makes them no less worth a look.
        named |= dict.fromkeys(called_back.suspects, CALLBACK)
    # An answer needs no request, so no trouble with CloudPress hides what it names.
    named |= dict.fromkeys(sent.answered_ids, ANSWER)
    trouble = trouble_of(error) if error is not None else None
    if error is None or may_go_on(this, error):
        trouble = await look_beside(this, sent) or trouble
    this.findings.named_anew = await named_anew(this, sent, called_back)
    mixed_up = await judge(this, sent, called_back, named)
    claimed = this.findings.claimed & named.keys()
    await have_others_asked(this, {*claimed, *this.findings.answered_to_both, *mixed_up})
    try:
        is_in_vain = await is_called_back_in_vain(this, sent, called_back)
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
    if own is None or this.order.status in FINAL or is_own_called_back(this, called_back):
        return False
    is_contradicted = called_back.is_unread_young and (called_back.possible or called_back.suspects)
    return called_back.may_be_told_soon or bool(is_contradicted)
