"""Rules of what becomes of what was dismissed, handed over or given up, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import (
    ADOPTING,
    AGAINST_ANSWERS,
    DISMISSED,
    HANDED_OVER,
    PROMISED,
    SHOWN,
    STATES,
    TOLD_TO_PEOPLE,
    WORDS,
)

ADOPTION = "app/reconciler/adopting.py"
CALLBACK_HINTS = "app/reconciler/callback_hints.py"
CHOOSING = "app/reconciler/choosing.py"
DUPLICATES = "app/reconciler/duplicates.py"
JUDGING = "app/reconciler/judging.py"
GIVEN_UP = "app/states/given_up.py"
HANDING_OVER = "app/orders/handing_over.py"
NAMING = "app/reconciler/naming.py"
ORPHANS = "app/orders/orphans.py"
REAPPEARING = "app/reconciler/reappearing.py"

MUTATIONS = (
    Mutation(
        "a callback that has just come is overruled by who dismisses what is suspected",
        "app/orders/dismissing.py",
        "        await refuse_just_called_back(tx, order, shown)\n",
        "",
        (DISMISSED,),
    ),
    Mutation(
        "what an operator said is one order's is nobody's once his word has ended",
        "app/reconciler/evidence.py",
        "    words = await session.scalars(_SPOKEN_OF, others)\n",
        "    words = [it for it in await session.scalars(_SPOKEN_OF, others) if not it]\n",
        (PROMISED,),
    ),
    Mutation(
        "what an operator failed keeps what it was answered with, whoever was called back for that",
        HANDING_OVER,
        "is_failed_by_operator(holder)):\n",
        "is_failed_by_operator(holder) and holder.cloudpress_order_id_source == LOOK_UP):\n",
        (AGAINST_ANSWERS,),
    ),
    Mutation(
        "what an operator failed gives up what its own callback has named",
        HANDING_OVER,
        "    is_kept_in_vain = is_by_name and is_failed_by_operator(holder)\n",
        "    is_kept_in_vain = is_failed_by_operator(holder)\n",
        (AGAINST_ANSWERS,),
    ),
    Mutation(
        "what an operator failed gives up what it was answered with for a name",
        HANDING_OVER,
        "    return is_by_name and is_alike",
        "    return is_alike",
        (AGAINST_ANSWERS,),
    ),
    Mutation(
        "who ends what is asked of an order that he has failed says whose it is",
        "app/orders/dismissing.py",
        "in dismissed and not is_failed_by_operator(order):\n",
        "in dismissed:\n",
        (AGAINST_ANSWERS,),
    ),
    Mutation(
        "what an operator failed keeps what another order was answered with",
        HANDING_OVER,
        "(_has_by_name(holder) or is_failed_by_operator(holder))",
        "_has_by_name(holder)",
        (HANDED_OVER,),
    ),
    Mutation(
        "a word to place again is about what an answer has just named",
        "app/orders/resolving.py",
        "        await refuse_just_answered(tx, order, settled - never_seen)\n",
        "",
        (DISMISSED,),
    ),
    Mutation(
        "what is dismissed while a recheck looks is taken by it",
        "app/reconciler/holding_back.py",
        "    if _is_spoken_against(this, held):\n",
        "    if False:\n",
        (DISMISSED,),
    ),
    Mutation(
        "a word about what was handed over is about the order that has lost it",
        HANDING_OVER,
        "            end_undone(tx, holder)\n",
        "            pass\n",
        (HANDED_OVER,),
    ),
    Mutation(
        "a final order's late answer has nobody else asked",
        DUPLICATES,
        "{*claimed, *this.findings.answered_to_both, *mixed_up}",
        "claimed and ()",
        (WORDS,),
    ),
    Mutation(
        "a person is told to cancel what another order has by its name",
        "app/states/doubled.py",
        "    if claimed:\n",
        "    if False:\n",
        (WORDS,),
    ),
    Mutation(
        "an answer that names what was taken away speaks for ever",
        REAPPEARING,
        "    if speaking and speaking - await _known(held, order):\n",
        "    if speaking:\n",
        (HANDED_OVER,),
    ),
    Mutation(
        "a word is done by a list of which pages were read before it",
        "app/reconciler/not_found.py",
        "        progress.look_again()  # the list",
        "        pass  # the list",
        (SHOWN,),
    ),
    Mutation(
        "an answer after a word is settled by the word",
        REAPPEARING,
        "    if settled and settled & await named_since(session, order, recorded=held.tx.events):\n",
        "    if False:\n",
        (DISMISSED,),
    ),
    Mutation(
        "what CloudPress has just answered is dismissed with what was shown",
        "app/orders/dismissing.py",
        "        await refuse_just_answered(tx, order, dismissed)\n",
        "",
        (DISMISSED,),
    ),
    Mutation(
        "what an operator says is one order is taken for another by its name",
        ADOPTION,
        "        or found.lower() in await promised_to_others(tx.session, order)\n",
        "",
        (ADOPTING,),
    ),
    Mutation(
        "what was dismissed replaces what was looked up",
        JUDGING,
        " and it not in settled]",
        "]",
        (DISMISSED,),
    ),
    Mutation(
        "what is dismissed while a pass goes on is adopted",
        ADOPTION,
        "if unsure or is_dismissed or await",
        "if unsure or await",
        (DISMISSED,),
    ),
    Mutation(
        "what was dismissed is adopted in other letters",
        CALLBACK_HINTS,
        "order_id = spelt_as(details.value.id, named_id)",
        "order_id = named_id",
        (DISMISSED,),
    ),
    Mutation(
        "an earlier word dates what was handed over",
        NAMING,
        "    EventType.IDENTIFIED,\n",
        "",
        (HANDED_OVER,),
    ),
    Mutation(
        "what was no double of another's order is not the order's own either",
        HANDING_OVER,
        "beside = await _dismissed_beside(tx.session, holder, taken)",
        "beside = set[str]()",
        (HANDED_OVER,),
    ),
    Mutation(
        "a refusal to cancel another's order ends the client's wish",
        "app/orders/forgetting.py",
        "    _wish_anew(tx, order, by=by)\n",
        "    pass\n",
        (HANDED_OVER,),
    ),
    Mutation(
        "a freed order of a backup takes what the backup lacks",
        ORPHANS,
        "orphan.exists() & restored.exists() if is_doubted else orphan.exists()",
        "orphan.exists() & restored.exists()",
        (HANDED_OVER,),
    ),
    Mutation(
        "a word to fail an order is silent about an end that was CloudPress's",
        GIVEN_UP,
        "    if decision.status in FINAL or decision.attention is None:\n        return False\n",
        "    if decision.attention is None:\n        return None\n",
        (STATES,),
    ),
    Mutation(
        "a word to fail a lost order waits for a token",
        CHOOSING,
        "            if is_given_up_for_its_token(order) or (is_given_up(order) and _has_waited(this)):\n"
        "                return await give_up_unseen(this)\n",
        "",
        (TOLD_TO_PEOPLE,),
    ),
)
