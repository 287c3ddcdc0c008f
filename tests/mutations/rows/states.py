"""Rules of the state machine, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import FAULTS, SIMULATION, STATES

OBSERVATIONS = "app/states/observations.py"
DECIDING = "app/states/deciding.py"
WORDS = "app/states/words.py"
UNKNOWN = "if status == 408 or status >= 500 or status < 300:\n        return PostOutcome.UNKNOWN"
NOT_SENT = "if status == 408 or status >= 500 or status < 300:\n        return PostOutcome.NOT_SENT"

MUTATIONS = (
    Mutation(
        "a callback does not forbid placing again",
        OBSERVATIONS,
        "evidence = self.candidates or self.suspects or self.called_back or self.trouble",
        "evidence = self.candidates or self.suspects or self.trouble",
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
        "self.last_look_up_at is not None and self.last_look_up_at >= self.grace_ends_at",
        "self.last_look_up_at is not None",
        (SIMULATION,),
    ),
    Mutation("a 500 counts as not sent", WORDS, UNKNOWN, NOT_SENT, (SIMULATION,)),
    Mutation("a 500 counts as not sent, over real HTTP", WORDS, UNKNOWN, NOT_SENT, (FAULTS,)),
    Mutation(
        "an order that was cut off is sent again",
        DECIDING,
        "case CutOff():\n            return Decision(UNCONFIRMED, Wait.LOOK_UP)",
        "case CutOff():\n            return Decision(PENDING, Wait.TURN)",
        (SIMULATION,),
    ),
)
