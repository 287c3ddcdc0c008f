"""Rules of how it is counted that something lasts for a day, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import DAYS

CHOOSING = "app/reconciler/choosing.py"
CONCLUDING = "app/reconciler/concluding.py"
INTENTS = "app/reconciler/intents.py"
SILENCES = "app/reconciler/silences.py"

MUTATIONS = (
    Mutation(
        "how long nothing was learned is counted by a clock that steps",
        SILENCES,
        "    return lasted(_met(order), moment(tx), Span.HOURS)\n",
        "    return tx.now - (order.silent_since or tx.now)\n",
        (DAYS,),
    ),
    Mutation(
        "what was counted of one silence is part of the next",
        SILENCES,
        "counted_since(order.silent_known_since, order.silent_since) or known_since(order.silent_since)",
        "order.silent_known_since or known_since(order.silent_since)",
        (DAYS,),
    ),
    Mutation(
        "a silence from before an upgrade begins anew",
        SILENCES,
        "or known_since(order.silent_since)",
        "or {}",
        (DAYS,),
    ),
    Mutation(
        "an order that is looked at each hour is never missing for a day",
        CONCLUDING,
        "missing_for=_missing_for(tx, order, Span.HOURS)",
        "missing_for=_missing_for(tx, order, Span.MINUTES)",
        (DAYS,),
    ),
    Mutation(
        "two looks with a night between them are the ten minutes after a yes to cancelling",
        CONCLUDING,
        "        return _missing_for(tx, order, Span.MINUTES)\n",
        "        return _missing_for(tx, order, Span.HOURS)\n",
        (DAYS,),
    ),
    Mutation(
        "an order whose time is weeks ahead is young until then",
        INTENTS,
        "abs(now - (asked_to_place_again_at(order) or order.created_at)) > GIVEN_UP_AFTER",
        "now - (asked_to_place_again_at(order) or order.created_at) > GIVEN_UP_AFTER",
        (DAYS,),
    ),
    Mutation(
        "an order that was accepted by a machine a little ahead is left to people",
        INTENTS,
        "abs(now - (asked_to_place_again_at(order) or order.created_at)) > GIVEN_UP_AFTER",
        "not timedelta() <= now - (asked_to_place_again_at(order) or order.created_at) <= GIVEN_UP_AFTER",
        (DAYS,),
    ),
    Mutation(
        "what was agreed to be cancelled while a clock was ahead is asked for no more until then",
        CHOOSING,
        "abs(this.now().wall - accepted_at) < CANCEL_PATIENCE",
        "this.now().wall - accepted_at < CANCEL_PATIENCE",
        (DAYS,),
    ),
)
