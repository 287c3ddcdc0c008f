"""What becomes of a placed or final order by what speaks for a double of it. Pure."""

from dataclasses import replace

from app.states import attention
from app.states.codes import Attention, AttentionCode
from app.states.decision import Decision, Wait
from app.states.observations import Observation, Rechecked, Seen, Trouble
from app.states.seeing import by_what_is_seen
from app.states.standing import Standing
from app.states.statuses import CANCELLED


def stays_final(order: Standing, observation: Observation) -> Decision:
    """Return that a final order stays as it is, and what a person is asked of it."""
    if not isinstance(observation, Rechecked):
        return Decision(order.status, Wait.NOTHING, attention=order.attention)
    asked = _asked_after_its_end(order, observation)
    return _until_rechecked(Decision(order.status, Wait.NOTHING, attention=asked), observation)


def _asked_after_its_end(order: Standing, rechecked: Rechecked) -> Attention | None:
    trouble, before = rechecked.trouble, order.attention
    if rechecked.called_back or _is_called_back_after_its_end(order):
        # No trouble with CloudPress hides it.
        return attention.called_back_after_its_end(order.held, is_cancelled=order.status == CANCELLED)
    if trouble is None:
        return None
    # No cause has gone but those that are refuted by now.
    return before or (attention.NO_TOKEN_AFTER_ITS_END if trouble.is_without_token else None)


def _is_called_back_after_its_end(order: Standing) -> bool:
    """Tell whether a person was asked about a callback, which what comes later does not explain."""
    return order.attention is not None and order.attention.code is AttentionCode.PLACEMENT_CALLED_BACK


def looked_at(order: Standing, observation: Seen | Rechecked) -> Decision:
    """Say what becomes of a placed order by a look at it, or at what speaks for a double of it alone."""
    if isinstance(observation, Seen):
        decision = by_what_is_seen(order, observation)
        return _until_rechecked(decision, observation.rechecked, beside=observation.trouble)
    # Where it may hold another's, nothing is asked of that, done to it, or taken from it.
    wait = Wait.NAMED if observation.mixed_up or observation.may_be_told_soon else Wait.TURN
    asked = attention.refused(observation.trouble) if observation.may_be_told_soon else None
    unchanged = Decision(
        order.status, wait, keeps_payment_url=not observation.mixed_up, attention=asked or order.attention
    )
    return _until_rechecked(unchanged, observation)


def _until_rechecked(decision: Decision, rechecked: Rechecked, *, beside: Trouble | None = None) -> Decision:
    """Have an order looked at again, also a final one, where what speaks for a double was not seen yet.

    `beside` is what went wrong with the requests about the order itself: its `Retry-After` holds as well.
    """
    if rechecked.trouble is not None:
        floors = [trouble.retry_after_seconds for trouble in (rechecked.trouble, beside) if trouble]
        retry_after = max((floor for floor in floors if floor is not None), default=None)
        return replace(decision, wait=Wait.RETRY, retry_after_seconds=retry_after)
    if rechecked.may_be_told_soon and decision.wait is Wait.TASK:
        return replace(decision, wait=Wait.TURN)
    if rechecked.open_hints and decision.wait is Wait.NOTHING:
        return replace(decision, wait=Wait.NAMED)
    return decision
