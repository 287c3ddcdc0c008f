"""What becomes of a placed order that an operator fails, by what CloudPress shows of it then. Pure."""

from app.states.attention import NOT_CANCELLED, REFUSALS, refused
from app.states.codes import AttentionCode
from app.states.decision import Decision
from app.states.doubled import tells_of_mix_up
from app.states.observations import GivenUp, Observation, Rechecked, Seen, mixed_up_in, trouble_in
from app.states.silence import is_long
from app.states.standing import Standing
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


def is_to_fail(order: Standing, observation: Observation, word: GivenUp, decision: Decision) -> bool | None:
    """Tell whether a placed order is to fail by such a word; None where the word waits.

    It is, if a person would still be asked about the order itself, or was, and still would be, whether it
    holds another's. Where a look at that met with other trouble than he was asked about, nothing is known of
    that: the word waits, for a day at most from the first such look.
    """
    if isinstance(observation, Rechecked) and observation.may_be_told_soon:
        return None
    if decision.status in FINAL or decision.attention is None:
        return False
    if mixed_up_in(observation) and order.attention is not None:
        # What he was asked about may have been overwritten by something else that was told while his word
        # waited. Of what is suspected nothing else lets him fail a placed order.
        is_about_it = word.about == AttentionCode.SUSPECTED_DUPLICATE
        return is_about_it or tells_of_mix_up(order.attention.detail)
    asked = decision.attention.code
    trouble = observation.trouble if isinstance(observation, Seen) else trouble_in(observation)
    if trouble is None:
        return asked in GIVEN_UP_FOR - _ASKED_FOR_TROUBLE or decision.attention == NOT_CANCELLED
    is_silence = asked is AttentionCode.UNANSWERED and word.about in {None, asked}
    told = refused(trouble)
    is_asked_for_it = is_silence or (told is not None and word.about in {None, told.code})
    return asked in GIVEN_UP_FOR if is_asked_for_it or is_long(word.waited) else None
