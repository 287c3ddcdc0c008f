"""What becomes of an order that is looked for and not found yet. Pure."""

from app.states import attention
from app.states.codes import Attention, AttentionCode
from app.states.decision import Decision, Wait
from app.states.observations import NotFoundYet, Word
from app.states.posting import rejected
from app.states.standing import Standing
from app.states.statuses import CANCELLED, FAILED, PENDING, UNCONFIRMED


def still_looking(order: Standing, sought: NotFoundYet) -> Decision:
    """Say how an order is looked for further, or what becomes of it where it is nowhere."""
    if sought.trouble is not None:
        return Decision(
            UNCONFIRMED,
            Wait.RETRY,
            attention=_refused_while_sought(sought) or _asked_meanwhile(order, sought),
            retry_after_seconds=sought.trouble.retry_after_seconds,
        )
    if sought.unfinished:
        return Decision(UNCONFIRMED, Wait.TURN, attention=_asked_meanwhile(order, sought))
    if sought.woken:
        # What came in during this pass may speak against all that follows.
        return Decision(UNCONFIRMED, Wait.TURN, attention=order.attention)
    if sought.word is not None and not sought.unwanted:
        return _by_word(order, sought, sought.word)
    if not sought.is_nowhere:
        return Decision(UNCONFIRMED, Wait.LOOK_UP, attention=_asked_by(order, sought))
    if sought.unwanted:
        return Decision(CANCELLED, Wait.NOTHING, late_look=True)
    if sought.reasons is not None:
        return Decision(FAILED, Wait.NOTHING, problem=rejected(sought.reasons), late_look=True)
    if sought.placing and not sought.reservations:
        return Decision(PENDING, Wait.TURN, attention=refused_before(order))
    return Decision(UNCONFIRMED, Wait.LOOK_UP, attention=_asked_by(order, sought))


def _by_word(order: Standing, sought: NotFoundYet, word: Word) -> Decision:
    """Do as an operator said, unless there is something that he did not know."""
    if not word.still_holds:
        return Decision(UNCONFIRMED, Wait.LOOK_UP, attention=attention.unconfirmed(sought), ends_word=True)
    if sought.placing and sought.has_looked:
        return Decision(PENDING, Wait.TURN)
    return Decision(UNCONFIRMED, Wait.LOOK_UP, attention=_asked_by(order, sought))


def _asked_by(order: Standing, sought: NotFoundYet) -> Attention | None:
    """Return what a person is asked once the grace is over, or was by another machine's count."""
    is_asked = order.attention is not None and order.attention.code in attention.OF_PLACEMENTS
    # After a day it is not sent again by itself, whatever machines that come and go count of the grace.
    is_over = sought.grace_over or (sought.overdue and sought.trouble is None)
    waits = sought.is_nowhere_but_for_time or sought.may_be_told_soon
    if is_asked or (is_over and not waits):
        return attention.unconfirmed(sought)
    return refused_before(order) if sought.grace_over else None


def refused_before(order: Standing) -> Attention | None:
    """Return that CloudPress refuses to take the order, which no look at what it has refutes."""
    is_refused = order.attention is not None and order.attention.code in attention.REFUSALS
    return order.attention if is_refused else None


def _refused_while_sought(sought: NotFoundYet) -> Attention | None:
    asked = attention.refused(sought.trouble)
    return asked and attention.with_callback(asked, is_called_back=sought.called_back)


def _asked_meanwhile(order: Standing, sought: NotFoundYet) -> Attention | None:
    """Return what a person is asked while nothing is learned: what was said stands.

    What a callback says needs no request, so no trouble with CloudPress hides it.
    """
    before = order.attention
    if before is None or before.code not in attention.OF_PLACEMENTS:
        return before or _asked_by(order, sought)
    tells_no_more = before.code in {AttentionCode.PLACEMENT_UNCONFIRMED, AttentionCode.PLACEMENT_REFUSED}
    # That a word is overtaken is told with its end, once the list is read.
    if sought.called_back and tells_no_more and sought.word is None:
        return attention.unconfirmed(sought)
    return attention.with_callback(before, is_called_back=sought.called_back)
