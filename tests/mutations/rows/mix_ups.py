"""Rules of what stands of a mix-up until it is settled, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import ANSWERED_TO_BOTH, MIX_UPS_THAT_STAND, REPLACED

MUTATIONS = (
    Mutation(
        "a mix-up is forgotten once something else is told",
        "app/orders/mix_ups.py",
        "    if kept is not None:\n        return kept - own",
        "    if False:\n        return kept - own",
        (MIX_UPS_THAT_STAND,),
    ),
    Mutation(
        "what is kept of a mix-up counts of whatever is held instead",
        "app/orders/mix_ups.py",
        'kept["order"] != held',
        "not held",
        (MIX_UPS_THAT_STAND,),
    ),
    Mutation(
        "what is told of something else has what is mixed up explain that an order is missing",
        "app/orders/claims.py",
        "or_(_IS_TOLD_OF_DOUBLES, Order.mixed_up.is_not(None))",
        "_IS_TOLD_OF_DOUBLES",
        (MIX_UPS_THAT_STAND,),
    ),
    Mutation(
        "who fails what is mixed up without a look is told to cancel one of two",
        "app/states/deciding.py",
        "mixed_up_in(observation) or order.mixed_up\n",
        "mixed_up_in(observation)\n",
        (MIX_UPS_THAT_STAND,),
    ),
    Mutation(
        "a word about a mix-up ends with what is told of it",
        "app/states/given_up.py",
        "        return is_about_it or tells",
        "        return tells",
        (MIX_UPS_THAT_STAND,),
    ),
    Mutation(
        "what a release before told of a mix-up is not understood",
        "app/orders/mix_ups.py",
        "    if not tells_of_mix_up(told):\n",
        "    if True:\n",
        (MIX_UPS_THAT_STAND,),
    ),
    Mutation(
        "whose it was what an order has no more is asked on",
        "app/reconciler/judging.py",
        "        claimed = set()  # what it has no more is not asked about\n",
        "",
        (REPLACED,),
    ),
    Mutation(
        "an answer to another that comes while a pass looks is not heeded by it",
        "app/reconciler/holding_back.py",
        "is_shared = is_shared or await held.loaded.may_be_named_for_another(held.order)",
        "is_shared = bool(is_shared)",
        (ANSWERED_TO_BOTH,),
    ),
    Mutation(
        "what another was answered with, and has not yet, is believed to be the order",
        "app/reconciler/answers.py",
        " or await loaded.is_named_to_another(order, named))",
        ")",
        (ANSWERED_TO_BOTH,),
    ),
    Mutation(
        "who has ended as what another was answered with is not asked once that has ended too",
        "app/reconciler/duplicates.py",
        "*this.findings.answered_to_both, ",
        "",
        (ANSWERED_TO_BOTH,),
    ),
    Mutation(
        "whoever waits to pay for what another was answered with is sent to pay on",
        "app/reconciler/asking_others.py",
        "or_(one_of(Order.status, sorted(FINAL)), Order.payment_url.is_not(None))",
        "one_of(Order.status, sorted(FINAL))",
        (ANSWERED_TO_BOTH,),
    ),
)
