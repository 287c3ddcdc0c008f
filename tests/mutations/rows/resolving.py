"""Rules of what a person can always resolve, of spans that no step of a clock ends, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import (
    ADOPTING,
    CALLBACK_HINTS,
    CLOCKS,
    MIXED_UP,
    RESOLVABLE,
    TOLD_ONCE,
    WORDS_AND_TIME,
)

ADOPTION = "app/reconciler/adopting.py"
CONCLUDING = "app/reconciler/concluding.py"
CONFIRMING = "app/reconciler/confirming.py"
DECIDING = "app/states/deciding.py"
DUPLICATES = "app/reconciler/duplicates.py"
LATE_LOOKS_FILE = "app/reconciler/late_looks.py"
VAIN_CALLBACKS = "app/reconciler/vain_callbacks.py"
GIVEN_UP = "app/states/given_up.py"
DISMISSING = "app/orders/dismissing.py"
RESOLVABLE_FILE = "app/orders/resolvable.py"
SHOWN = "app/orders/shown.py"

MUTATIONS = (
    Mutation(
        "a token that has come since is no reason to look before an order fails",
        "app/reconciler/giving_up.py",
        "    if held.order.wakes != this.claim.wakes:\n",
        "    if False:\n",
        (RESOLVABLE,),
    ),
    Mutation(
        "a refusal that is over fails an order with any other failure",
        GIVEN_UP,
        "is_silence or (told is not None and word.about in {None, told.code})",
        "is_silence or asked in _ASKED_FOR_TROUBLE",
        (RESOLVABLE,),
    ),
    Mutation(
        "an order that CloudPress shows well fails because something beside it is not answered",
        GIVEN_UP,
        "observation.trouble if isinstance(observation, Seen) else trouble_in(observation)",
        "trouble_in(observation)",
        (RESOLVABLE,),
    ),
    Mutation(
        "what CloudPress called back for before a word is told as if it had come since",
        "app/reconciler/giving_up.py",
        "            callback.overruled_at = callback.overruled_at or held.tx.now\n",
        "            pass\n",
        (RESOLVABLE,),
    ),
    Mutation(
        "what calls back after a word to fail is overruled with what did before",
        "app/reconciler/giving_up.py",
        "in oldest_first[:known]:",
        "in oldest_first:",
        (RESOLVABLE,),
    ),
    Mutation(
        "nobody can end an order that holds another's by a mixed-up answer",
        GIVEN_UP,
        "        return is_about_it or tells_of_mix_up(order.attention.detail)\n",
        "        return False and is_about_it\n",
        (MIXED_UP,),
    ),
    Mutation(
        "a word to fail is about a mix-up that was found after it",
        GIVEN_UP,
        "        return is_about_it or tells_of_mix_up(order.attention.detail)\n",
        "        return True or is_about_it\n",
        (MIXED_UP,),
    ),
    Mutation(
        "a callback's task that always fails is always asked about first",
        "app/reconciler/evidence.py",
        "    first = (this.order.failures or this.order.quiet) % max(len(hints), 1)\n",
        "    first = 0\n",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "a callback's task that fails for ever hides what the others name",
        DUPLICATES,
        "    if called_back.is_unread_young and order.cloudpress_order_id is not None:\n",
        "    if called_back.error is not None and order.cloudpress_order_id is not None:\n",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "what calls back after a person was asked is dismissed with what did before",
        SHOWN,
        "        overruled = overruled.where(Callback.id.not_in(latest.limit(since)))\n",
        "        overruled = overruled.where(Callback.id.not_in(latest.limit(since - since)))\n",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "a word to fail what is not shown waits for ever where CloudPress tells nothing any more",
        GIVEN_UP,
        "if is_asked_for_it or is_long(word.waited) else None",
        "if is_asked_for_it else None",
        (RESOLVABLE,),
    ),
    Mutation(
        "nobody is told that CloudPress goes on with what an operator failed",
        VAIN_CALLBACKS,
        "    if not is_failed_by_operator(this.order):\n",
        "    if True:\n",
        (RESOLVABLE,),
    ),
    Mutation(
        "how long an order is away after a yes is counted by a clock that steps",
        CONCLUDING,
        "    return lasted(order.missing_known_since, moment(tx), span)\n",
        "    return tx.now - (order.missing_since or tx.now)\n",
        (CLOCKS,),
    ),
    Mutation(
        "how long an order is away is forgotten by each look",
        CONCLUDING,
        "met_again(order.missing_known_since, moment(tx))",
        "met_again({}, moment(tx))",
        (CLOCKS,),
    ),
    Mutation(
        "what was shown again is away as if it never had been",
        CONCLUDING,
        "        order.missing_known_since = None\n",
        "",
        (CLOCKS,),
    ),
    Mutation(
        "a late look is made when a clock says so",
        LATE_LOOKS_FILE,
        "    if rest <= DRIFT:\n",
        "    if True:\n",
        (CLOCKS,),
    ),
    Mutation(
        "what could not be read is adopted as it was typed",
        ADOPTION,
        "    if source == OPERATOR and findings.order is None:\n",
        "    if False:\n",
        (ADOPTING,),
    ),
    Mutation(
        "one 404 ends a word to adopt",
        ADOPTION,
        "lasted(unknown, now, Span.MINUTES) >= GONE_AFTER",
        "True",
        (ADOPTING,),
    ),
    Mutation(
        "a word to adopt what cannot be read ends",
        ADOPTION,
        "    if is_unknown and order.resolution == word:\n",
        "    if order.resolution == word:\n",
        (ADOPTING, WORDS_AND_TIME),
    ),
    Mutation(
        "what an operator has seen and could not have adopted is bought anew",
        ADOPTION,
        "replace(progress, trouble=None, adopted_in_vain=True)",
        "replace(progress, trouble=None)",
        (ADOPTING,),
    ),
    Mutation(
        "an order that CloudPress has no more can be ended by nobody",
        RESOLVABLE_FILE,
        '        or (action == "fail" and may_never_go_on(order))\n',
        "",
        (RESOLVABLE,),
    ),
    Mutation(
        "an order fails that CloudPress shows again",
        GIVEN_UP,
        "        return asked in GIVEN_UP_FOR - _ASKED_FOR_TROUBLE or decision.attention == NOT_CANCELLED\n",
        "        return True\n",
        (RESOLVABLE,),
    ),
    Mutation(
        "a word to fail what is not shown ends where CloudPress tells nothing",
        GIVEN_UP,
        "if is_asked_for_it or is_long(word.waited) else None",
        "if True else None",
        (RESOLVABLE,),
    ),
    Mutation(
        "a word about a placed order ends with any look at it",
        "app/orders/changing.py",
        "status in FINAL or (status in PLACED and before not in PLACED)",
        "status in PLACED",
        (RESOLVABLE,),
    ),
    Mutation(
        "a final order that CloudPress does not answer for can be settled by nobody",
        SHOWN,
        "_WAITS = {AttentionCode.ACCOUNT_UNKNOWN, AttentionCode.UNANSWERED}",
        "_WAITS = {AttentionCode.ACCOUNT_UNKNOWN}",
        (RESOLVABLE,),
    ),
    Mutation(
        "what a callback names is asked about for ever, whatever was dismissed",
        SHOWN,
        "func.coalesce(Callback.checked_at, tx.now) if is_unanswered else Callback.checked_at",
        "Callback.checked_at",
        (RESOLVABLE,),
    ),
    Mutation(
        "what its client wants cancelled is placed again",
        RESOLVABLE_FILE,
        '    if action == "place_again" and is_unwanted(order):\n',
        "    if False:\n",
        (RESOLVABLE,),
    ),
    Mutation(
        "a word to place again outlasts the wish to cancel",
        DECIDING,
        "ends_word=decision.ends_word or is_in_vain)",
        "ends_word=decision.ends_word)",
        (RESOLVABLE,),
    ),
    Mutation(
        "an orphan cannot be dismissed for an order",
        DISMISSING,
        "suspected = [*(order.suspected_duplicates or ()), *looked_up(look_up), *orphans]",
        "suspected = [*(order.suspected_duplicates or ()), *looked_up(look_up)]",
        (RESOLVABLE,),
    ),
    Mutation(
        "an orphan that was dismissed for an order is suspected of it",
        "app/orders/orphans.py",
        "        and orphan.cloudpress_order_id not in (order.settled_duplicates or ())\n",
        "",
        (RESOLVABLE,),
    ),
    Mutation(
        "what was asked is told again whenever a token returns",
        "app/orders/lifecycle_events.py",
        "later_at if started == AttentionCode.ACCOUNT_UNKNOWN else row.at",
        "row.at",
        (TOLD_ONCE,),
    ),
    Mutation(
        "a missing token hides that something had gone before",
        "app/orders/lifecycle_events.py",
        "        later_at = row.at\n",
        "",
        (TOLD_ONCE,),
    ),
)
