"""What a person is asked no more, whatever else cannot be seen: its cause is known to be gone. Pure."""

from dataclasses import replace

from app.states.attention import OF_PLACEMENTS
from app.states.codes import AttentionCode
from app.states.observations import Observation, Overdue, Rechecked, Seen, Standing
from app.states.statuses import FINAL


def without_refuted(order: Standing, observation: Observation) -> Standing:
    """Return the order without attention that what is known of it refutes.

    Else it would stand where nothing new is learned, and stand before what is true.
    """
    return replace(order, attention=None) if _is_refuted(order, observation) else order


def _is_refuted(order: Standing, observation: Observation) -> bool:
    code = order.attention.code if order.attention is not None else None
    if code in OF_PLACEMENTS:
        return order.held is not None
    if code is AttentionCode.SUSPECTED_DUPLICATE:
        return not order.duplicates and not _mixed_up(observation)
    if code is AttentionCode.NOT_SENT:
        return not isinstance(observation, Overdue)
    # An order that is not final comes to a decision only where there is a token.
    return code is AttentionCode.ACCOUNT_UNKNOWN and order.status not in FINAL


def _mixed_up(observation: Observation) -> tuple[str, ...]:
    rechecked = observation.rechecked if isinstance(observation, Seen) else observation
    return rechecked.mixed_up if isinstance(rechecked, Rechecked) else ()
