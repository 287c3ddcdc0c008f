"""What becomes of a placed order that an operator fails, by what CloudPress shows of it then. Pure."""

from datetime import datetime

from app.states.attention import NOT_CANCELLED, REFUSALS
from app.states.codes import AttentionCode
from app.states.observations import Decision, GivenUp, Observation, Rechecked, Seen, Standing, trouble_in
from app.states.silence import is_lasting
from app.states.statuses import FINAL

GIVEN_UP_FOR = frozenset(
    {
        AttentionCode.ACCOUNT_UNKNOWN,
        AttentionCode.CREDENTIALS_REFUSED,
        AttentionCode.FOREIGN_LINK,
        AttentionCode.NOT_FOUND,
        AttentionCode.REDIRECTED,
        AttentionCode.REFUSED,
        AttentionCode.SITE_MISSING,
        AttentionCode.UNANSWERED,
    }
)
"""What a person may be asked for ever about a placed order: he may fail it, for none of it has to end."""
_ASKED_FOR_TROUBLE = REFUSALS | {AttentionCode.UNANSWERED}


def given_up_in(observation: Observation) -> GivenUp | None:
    """Return an operator's word to fail a placed order."""
    return observation.given_up if isinstance(observation, Seen | Rechecked) else None


def is_to_fail(order: Standing, observation: Observation, decision: Decision, now: datetime) -> bool | None:
    """Tell whether a placed order is to fail by such a word; None where the word waits.

    It is, if a person would still be asked about the order itself. Where a look at that met with trouble
    nothing is known of it, unless trouble is what he is asked about, or would be by now.
    """
    if decision.status in FINAL or decision.attention is None:
        return False
    asked = decision.attention.code
    trouble = observation.trouble if isinstance(observation, Seen) else trouble_in(observation)
    if trouble is None:
        return asked in GIVEN_UP_FOR - _ASKED_FOR_TROUBLE or decision.attention == NOT_CANCELLED
    if asked in _ASKED_FOR_TROUBLE or is_lasting(order.silent_since, now):
        return asked in GIVEN_UP_FOR
    return None
