"""Rules of the state machine, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import FAULTS, FLAPPING, NEVER_TWICE, SIMULATION, STATES

OBSERVATIONS = "app/states/observations.py"
DECIDING = "app/states/deciding.py"
SEEKING = "app/states/seeking.py"
WORDS = "app/states/words.py"
UNKNOWN = "    return PostOutcome.UNKNOWN\n"
NOT_SENT = "    return PostOutcome.NOT_SENT if status >= 500 else PostOutcome.UNKNOWN\n"

MUTATIONS = (
    Mutation(
        "a proxy's 503 is CloudPress's word where it says when to come again",
        WORDS,
        "(status == 503 and is_own_form)",
        "(status == 503 and (is_own_form or is_known_host))",
        (STATES, SIMULATION),
    ),
    Mutation(
        "a callback does not forbid placing again",
        OBSERVATIONS,
        "evidence = self.candidates or self.suspects or self.called_back",
        "evidence = self.candidates or self.suspects",
        (STATES,),
    ),
    Mutation(
        "a suspect does not forbid placing again",
        OBSERVATIONS,
        "evidence = self.candidates or self.suspects or self.called_back",
        "evidence = self.candidates or self.called_back",
        (STATES,),
    ),
    Mutation(
        "one look-up is enough to place again",
        OBSERVATIONS,
        "LOOK_UPS_BEFORE_PLACING_AGAIN = 2",
        "LOOK_UPS_BEFORE_PLACING_AGAIN = 1",
        (STATES,),
    ),
    Mutation(
        "the grace is not waited for",
        OBSERVATIONS,
        "doubts = [] if self.began_late else [Doubt.TOO_EARLY]",
        "doubts: list[Doubt] = []",
        (STATES, NEVER_TWICE),
    ),
    Mutation(
        "what a look-up leaves open does not forbid placing again",
        OBSERVATIONS,
        "return (*doubts, *self.doubts)",
        "return tuple(doubts)",
        (STATES, NEVER_TWICE),
    ),
    Mutation(
        "an order that was refused for good is sent again without a person",
        OBSERVATIONS,
        "Doubt.REFUSED: self.refused,",
        "",
        (STATES, NEVER_TWICE),
    ),
    Mutation(
        "PLACE_AGAIN is not heeded",
        OBSERVATIONS,
        "Doubt.LEFT_TO_PEOPLE: not self.may_place_again,",
        "",
        (STATES, NEVER_TWICE),
    ),
    Mutation("a 500 counts as not sent", WORDS, UNKNOWN, NOT_SENT, (SIMULATION,)),
    Mutation("a 500 counts as not sent, over real HTTP", WORDS, UNKNOWN, NOT_SENT, (FAULTS,)),
    Mutation(
        "a redirect counts as not sent",
        WORDS,
        "HARMLESS_REDIRECTS = frozenset({301, 307, 308})",
        "HARMLESS_REDIRECTS = frozenset(range(300, 400))",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "a proxy's refusal counts as CloudPress's",
        WORDS,
        "if status in {401, 403, 429} and is_own_form:",
        "if status in {401, 403, 429}:",
        (NEVER_TWICE, SIMULATION),
    ),
    Mutation(
        "an order that was cut off is sent again",
        DECIDING,
        "case CutOff():\n            return Decision(UNCONFIRMED, Wait.LOOK_UP)",
        "case CutOff():\n            return Decision(PENDING, Wait.TURN)",
        (SIMULATION,),
    ),
    Mutation(
        "an operator's word is good whatever comes up",
        SEEKING,
        "if not word.still_holds:",
        "if False:",
        (STATES, NEVER_TWICE),
    ),
    Mutation(
        "what is asked of a person is news of the order",
        "app/reconciler/concluding.py",
        "is_news = change.is_news or",
        "is_news = change.is_made or",
        (FLAPPING,),
    ),
    Mutation(
        "what a person is told changes with which order looks more like it",
        "app/states/attention.py",
        "listed(sorted({*order_ids}))",
        "listed(order_ids)",
        (FLAPPING,),
    ),
    Mutation(
        "a machine that counts the grace anew asks nobody any more",
        SEEKING,
        "if is_asked or (is_over",
        "if (is_over",
        (FLAPPING,),
    ),
    Mutation(
        "an order of which nobody is told is looked for ever more seldom",
        "app/schedule.py",
        "ceiling = most if is_asked else min(most, self.placement_grace_seconds / 10)",
        "ceiling = most",
        (FLAPPING,),
    ),
)
