"""Rules of what CloudPress names for one order, and another one has or finds by its name, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import CANCELLING, CLAIMED

MUTATIONS = (
    Mutation(
        "what another order's callback named is taken by a name",
        "app/reconciler/adopting.py",
        "        or await is_called_back_for_another(tx.session, order, found, findings.tasks.keys())\n",
        "",
        (CLAIMED,),
    ),
    Mutation(
        "a callback for an order that is placed, or has ended, claims nothing",
        "app/orders/claims.py",
        "    return any(cloudpress_order_id not in (settled or ()) for settled in called_for)\n",
        "    return False and called_for is not None\n",
        (CLAIMED,),
    ),
    Mutation(
        "a number that CloudPress gives a second time claims what has it now",
        "app/orders/claims.py",
        "        ~_SPEAKS_OF_ITS_OWN,\n",
        "",
        (CLAIMED,),
    ),
    Mutation(
        "what another was answered with explains an order, though it was dismissed there",
        "app/orders/claims.py",
        " and not (but_dismissed and order_id in (settled or ()))\n",
        "\n",
        (CLAIMED,),
    ),
    Mutation(
        "what may be mixed up explains that an order is missing",
        "app/reconciler/looking_up.py",
        " or bool(await held_mixed_up(session, order, asked))\n",
        "\n",
        (CLAIMED,),
    ),
    Mutation(
        "what its callback names mixes no order up where another has it by its name",
        "app/reconciler/duplicates.py",
        "called_back.suspects} & held) |",
        "called_back.suspects} & surely_held) |",
        (CLAIMED,),
    ),
    Mutation(
        "what was another's to claim is told as a double for ever",
        "app/reconciler/keeping.py",
        "    cleared = known & {order.cloudpress_order_id} if findings.is_its_own else set()\n",
        "    cleared = set[str]()\n",
        (CLAIMED,),
    ),
    Mutation(
        "a person is told by the second look to cancel what another has",
        "app/reconciler/duplicates.py",
        "& {*named, *before} - settled)",
        "& {*named} - settled)",
        (CLAIMED,),
    ),
    Mutation(
        "an order whose look-alike has it by its name cannot adopt it",
        "app/orders/handing_over.py",
        "    return is_alike and not await is_called_back(session, holder)\n",
        "    return False and is_alike\n",
        (CLAIMED,),
    ),
    Mutation(
        "an answer that names what another has speaks for no order that is sent again",
        "app/reconciler/reappearing.py",
        "    if speaking and speaking - await _known(held, order):\n",
        "    if False:\n",
        (CLAIMED,),
    ),
    Mutation(
        "that CloudPress is asked to cancel an order is not written before it is",
        "app/reconciler/cancelling.py",
        "    held.order.cancel_unanswered = True  # until",
        "    pass  # until",
        (CANCELLING,),
    ),
    Mutation(
        "an order that nobody asked to be cancelled is taken for cancelled by 404s",
        "app/reconciler/cancelling.py",
        "            nothing_to_cancel = this.findings.cancel_unanswered = was_unanswered\n",
        "            nothing_to_cancel = True\n",
        (CANCELLING,),
    ),
)
