"""How long nothing was learned of an order, and what a person is asked once that lasts a day. Pure."""

from dataclasses import replace
from datetime import timedelta

from app.states import attention
from app.states.codes import Attention, AttentionCode
from app.states.decision import Decision, Wait
from app.states.observations import (
    CutOff,
    NotFoundYet,
    Observation,
    Overdue,
    PlacingOff,
    Reappeared,
    Rechecked,
    Seen,
    trouble_in,
)
from app.states.standing import Standing
from app.states.statuses import FINAL
from app.states.words import is_done

SILENCE_ATTENTION_SECONDS = 24 * 3600
COUNTED = frozenset({AttentionCode.UNANSWERED, AttentionCode.SITE_MISSING})
"""What is asked for by the time that has passed, found anew by each decision."""
_MET_WITH = attention.REFUSALS | {
    AttentionCode.FOREIGN_LINK,
    AttentionCode.PASS_BROKEN,
    AttentionCode.PAYMENT_URL_UNUSABLE,
}
"""What is asked because of one look, and stands while later ones learn nothing."""


def without_counted(order: Standing) -> Standing:
    """Return the order without attention that is found anew, so that it stands before no other cause."""
    return order if _counted(order) is None else replace(order, attention=None)


def without_overtaken(order: Standing, observation: Observation) -> Standing:
    """Return the order without attention whose cause was not met with for a day in which nothing was learned.

    One such answer and then failures for weeks are failures: what is asked about the one is true no more.
    """
    is_overtaken = trouble_in(observation) is not None and is_long(order.silent_for)
    if is_overtaken and order.attention is not None and order.attention.code in _MET_WITH:
        return replace(order, attention=None)
    return order


def with_silence(order: Standing, observation: Observation, decision: Decision) -> Decision:
    """Count how long nothing was told, and ask for a person after a day, unless something else does."""
    silent = _is_silent(observation, decision)
    decision = replace(decision, silent=silent)
    if silent is False or not is_long(order.silent_for) or decision.attention is not None:
        return decision
    return replace(decision, attention=_asked(order, observation))


def is_long(lasting: timedelta) -> bool:
    """Tell whether something has lasted for so long that a person is asked."""
    return lasting >= timedelta(seconds=SILENCE_ATTENTION_SECONDS)


def _asked(order: Standing, observation: Observation) -> Attention:
    if isinstance(observation, Seen) and observation.trouble is None:
        if observation.cancel_accepted:
            return attention.NOT_CANCELLED
        if _lacks_site(observation):
            return attention.NO_SITE
    if order.status in FINAL:
        return attention.UNANSWERED_AFTER_ITS_END
    # What was said stands, so that failures now and then do not have it told again and again.
    return _counted(order) or attention.UNANSWERED


def _counted(order: Standing) -> Attention | None:
    asked = order.attention
    return asked if asked is not None and asked.code in COUNTED else None


def _is_silent(observation: Observation, decision: Decision) -> bool | None:
    """Tell whether nothing was learned again; None where that was neither found nor refuted.

    While CloudPress goes on with what it agreed to cancel, nothing is learned of what becomes of that. A
    look-up that is not at its end, and a 404, which is counted for itself, refute nothing: where they
    alternate with failures, the count goes on.
    """
    if decision.wait is Wait.NOTHING:
        return False
    trouble = trouble_in(observation)
    if trouble is not None:
        # That the deployment is refused is something learned, where a person is told so.
        told = attention.refused(trouble)
        return told is None or decision.attention is None or decision.attention.code is not told.code
    match observation:
        case Seen() if observation.cancel_accepted or _lacks_site(observation):
            return True
        case Seen() if observation.foreign:
            return False  # a person is asked about it, and it is found anew by each look
        case Seen() if observation.missing:
            return None
        case NotFoundYet() if observation.unfinished or observation.woken:
            return None
        case Rechecked() if observation.may_be_told_soon:
            return None
        case CutOff() | PlacingOff() | Overdue() | Reappeared():
            return None
    return False


def _lacks_site(seen: Seen) -> bool:
    """Tell whether CloudPress has finished and links no site that could be read."""
    is_told_otherwise = seen.missing or seen.foreign or seen.cancel_accepted or seen.site_read
    return not is_told_otherwise and is_done(seen.order_status, seen.tasks)
