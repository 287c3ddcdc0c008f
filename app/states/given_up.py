"""What becomes of a placed order that an operator fails, by what CloudPress shows of it then. Pure."""

from datetime import datetime

from app.states.attention import REFUSALS
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

    It is, if a person would still be asked. Where a look met with trouble nothing is known of that, unless
    trouble is what he is asked about, or would be by now.
    """
    asked = decision.attention.code if decision.attention is not None else None
    if decision.status in FINAL:
        return False
    is_troubled = trouble_in(observation) is not None and asked not in _ASKED_FOR_TROUBLE
    if is_troubled and not is_lasting(order.silent_since, now):
        return None
    return asked in GIVEN_UP_FOR
