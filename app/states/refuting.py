"""What a person is asked no more, whatever else cannot be seen: its cause is known to be gone. Pure."""

from dataclasses import replace

from app.states.attention import OF_PLACEMENTS, OF_WHAT_IT_HAS
from app.states.codes import AttentionCode
from app.states.observations import Observation, Overdue, Rechecked, mixed_up_in
from app.states.standing import Standing
from app.states.statuses import FINAL


def without_refuted(order: Standing, observation: Observation) -> Standing:
    """Return the order without attention that what is known of it refutes.

    Else it would stand where nothing new is learned, and stand before what is true.
    """
    return replace(order, attention=None) if _is_refuted(order, observation) else order


def _is_refuted(order: Standing, observation: Observation) -> bool:
    code = order.attention.code if order.attention is not None else None
    if code in OF_PLACEMENTS:
        # A final one that is held was failed by an operator, and CloudPress goes on with it.
        return order.held is not None and order.status not in FINAL
    if code in OF_WHAT_IT_HAS:
        return order.is_replaced
    if code is AttentionCode.SUSPECTED_DUPLICATE:
        return not order.duplicates and not mixed_up_in(observation)
    if code is AttentionCode.NOT_SENT:
        return not isinstance(observation, Overdue)
    if code is AttentionCode.ACCOUNT_UNKNOWN:
        # An order that is not final comes to a decision only where there is a token.
        return order.status not in FINAL or _has_token(observation)
    return False


def _has_token(observation: Observation) -> bool:
    """Tell whether a final order was looked at with a token, or had nothing that needs one."""
    if not isinstance(observation, Rechecked):
        return False
    return observation.trouble is None or not observation.trouble.is_without_token
