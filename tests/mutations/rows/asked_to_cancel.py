"""Rules of what CloudPress was asked to cancel, and of what is forgotten with another's order, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import ASKED_TO_CANCEL, CANCELLING, CLAIMED, IN_A_PASS, REPLACED, REPLACED_WORDS

MUTATIONS = (
    Mutation(
        "that CloudPress is asked to cancel an order is not written before it is",
        "app/reconciler/cancelling.py",
        "    held.order.cancel_unanswered = cancelling_of(held.order)  # until",
        "    pass  # until",
        (CANCELLING,),
    ),
    Mutation(
        "an order that nobody asked to be cancelled is taken for cancelled by 404s",
        "app/reconciler/cancelling.py",
        "        findings.cancel_unanswered = was_asked\n        return was_asked\n",
        "        findings.cancel_unanswered = True\n        return True\n",
        (CANCELLING,),
    ),
    Mutation(
        "a request to cancel that was turned away counts as one that may have been done",
        "app/reconciler/cancelling.py",
        "        return error.status == 408 or error.status >= 500\n",
        "        return True\n",
        (ASKED_TO_CANCEL,),
    ),
    Mutation(
        "a request to cancel that was not sent counts as one that may have been done",
        "app/reconciler/cancelling.py",
        "    return not isinstance(error, NotSent)\n",
        "    return True\n",
        (ASKED_TO_CANCEL,),
    ),
    Mutation(
        "that an order is not shown any more after a lost request to cancel does not bend a refusal",
        "app/reconciler/cancelling.py",
        "    elif looked.order_status is None and (was_asked or (is_404 and looked.trouble is not None)):\n",
        "    elif False:\n",
        (ASKED_TO_CANCEL,),
    ),
    Mutation(
        "what CloudPress turned away while an order is held back counts as perhaps done",
        "app/reconciler/cancelling.py",
        "    findings.cancel_refusal = None\n    return False\n",
        "    findings.cancel_refusal = findings.cancel_unanswered = None\n    return False\n",
        (ASKED_TO_CANCEL,),
    ),
    Mutation(
        "what CloudPress says of what may be another's is told",
        "app/reconciler/cancelling.py",
        "        nothing_to_cancel = _tell_nothing(this.findings)\n",
        "        pass\n",
        (ASKED_TO_CANCEL,),
    ),
    Mutation(
        "what CloudPress was asked to cancel for one wish counts for the next",
        "app/orders/cancelling.py",
        " and order.cancel_unanswered == cancelling_of(order)\n",
        "\n",
        (ASKED_TO_CANCEL,),
    ),
    Mutation(
        "an absence that a release before has ended goes on counting",
        "app/reconciler/concluding.py",
        "    if order.missing_since is None or not was_perhaps_cancelled(order):\n        return None\n"
        "    return counted_since(order.gone_known_since, order.missing_since)\n",
        "    return order.gone_known_since if was_perhaps_cancelled(order) else None\n",
        (ASKED_TO_CANCEL,),
    ),
    Mutation(
        "what was read of another's order is kept once an order has its own",
        "app/reconciler/keeping.py",
        "        await forget_what_it_had(tx, order)\n",
        "",
        (REPLACED,),
    ),
    Mutation(
        "a refusal to cancel another's order is an answer to the wish",
        "app/orders/forgetting.py",
        "    if was_refused and order.status not in FINAL:  # a refusal ends the wish\n",
        "    if False:\n",
        (REPLACED,),
    ),
    Mutation(
        "an operator's word that is yet to be done ends the client's wish",
        "app/orders/resolving.py",
        "            await take_from(tx, order, by=by)  # he says that it is not this one's\n",
        "            await take_from(tx, order, by=by)\n            order.cancel_requested_at = None\n",
        (REPLACED,),
    ),
    Mutation(
        "an order is bought again whose client was refused about another's",
        "app/orders/cancelling.py",
        "(order.cancel_refusal is not None and is_mixed_up(order))\n",
        "False\n",
        (REPLACED,),
    ),
    Mutation(
        "a pass takes from an order what an operator has just said is its own",
        "app/reconciler/holding_back.py",
        "    return is_settled and found not in {None, now.cloudpress_order_id}\n",
        "    return False\n",
        (CLAIMED,),
    ),
    Mutation(
        "what replaces an order's is looked at, and cancelled, by the pass that finds it",
        "app/reconciler/choosing.py",
        " and not this.has_found_another\n    if is_looked_at and order.cloudpress_order_id is not None:\n"
        "        observation = await _look(this, order.cloudpress_order_id, rechecked)\n",
        "\n    if is_looked_at and (its := this.findings.order_id or order.cloudpress_order_id):\n"
        "        observation = await _look(this, its, rechecked)\n",
        (IN_A_PASS,),
    ),
    Mutation(
        "an operator's word about what an order had is about what it has instead",
        "app/reconciler/keeping.py",
        "        end_undone(tx, order)  # it was about what the order had\n",
        "        pass\n",
        (REPLACED_WORDS,),
    ),
    Mutation(
        "an order fails by a word in the pass that finds another one, and looks at neither",
        "app/reconciler/giving_up.py",
        " and not this.has_found_another:\n",
        ":\n",
        (REPLACED_WORDS,),
    ),
    Mutation(
        "what was asked about what an order had is asked about what it has instead",
        "app/states/refuting.py",
        "        return order.is_replaced\n",
        "        return False\n",
        (REPLACED_WORDS,),
    ),
    Mutation(
        "what both were answered with is told by the pass that takes it up",
        "app/reconciler/adopting.py",
        "    is_doubted = is_shared or not",
        "    is_doubted = not",
        (IN_A_PASS,),
    ),
    Mutation(
        "that the look after a request to cancel shows another's is not heeded",
        "app/reconciler/cancelling.py",
        "    if observer.disowned_for:  # so",
        "    if False:  # so",
        (IN_A_PASS,),
    ),
)
