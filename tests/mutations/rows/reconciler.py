"""Rules of the reconciler, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import CANCELLING, SECOND_LOOKS, SIMULATION, STAYING_UP, UNKNOWN_PLACEMENTS

EVIDENCE = "app/reconciler/evidence.py"
PLACING = "app/reconciler/placing.py"
CONFIRMING = "app/reconciler/confirming.py"
KEEPING = "app/reconciler/keeping.py"
DUPLICATES = "app/reconciler/duplicates.py"

MUTATIONS = (
    Mutation(
        "a look-up knows no age",
        EVIDENCE,
        "return age <= sent.now - sent.first_sent_at + CLOCK_TOLERANCE",
        "return bool(age or sent)",
        (SIMULATION,),
    ),
    Mutation(
        "age is counted from the last attempt",
        EVIDENCE,
        "return age <= sent.now - sent.first_sent_at + CLOCK_TOLERANCE",
        "return age <= sent.now - sent.last_sent_at + CLOCK_TOLERANCE",
        (UNKNOWN_PLACEMENTS, SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "the intent is not committed",
        PLACING,
        "        return intent\n",
        "        tx.session.expunge_all()\n        await tx.session.rollback()\n        return intent\n",
        (SIMULATION,),
    ),
    Mutation(
        "the intent ignores the wish to cancel",
        PLACING,
        "        if order.cancel_requested_at is not None:\n            leases.release(",
        "        if False:\n            leases.release(",
        (CANCELLING, SIMULATION),
    ),
    Mutation(
        "a request may outlive its lease",
        PLACING,
        "min(dependencies.upstream_timeout_seconds, this.claim.seconds_left() * LEASE_MARGIN)",
        "dependencies.upstream_timeout_seconds",
        (STAYING_UP, UNKNOWN_PLACEMENTS, SIMULATION),
    ),
    Mutation(
        "an answer is written only under the lease",
        PLACING,
        "        await _write_placement(tx, order, intent, posted)\n",
        "        if order.lease_token == this.claim.token:\n"
        "            await _write_placement(tx, order, intent, posted)\n",
        (SIMULATION,),
    ),
    Mutation(
        "a late answer wakes nobody",
        PLACING,
        "        if order.lease_token != this.claim.token:\n            make_due(tx, order)\n",
        "        if order.lease_token != this.claim.token:\n",
        (UNKNOWN_PLACEMENTS, SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "an answer with another's order is believed",
        PLACING,
        "        posted = await _unless_held_by_another(tx, order, posted)\n",
        "",
        (SIMULATION,),
    ),
    Mutation(
        "an order that another holds is adopted",
        CONFIRMING,
        "if unsure or await held_among(tx.session, order, order_ids[:1]):",
        "if unsure:",
        (SIMULATION,),
    ),
    Mutation(
        "a search that was woken is believed",
        CONFIRMING,
        "woken=order.wakes != this.claim.wakes,",
        "woken=False,",
        (UNKNOWN_PLACEMENTS, SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "an order in its late look is no look-alike",
        CONFIRMING,
        "            Order.late_look_at.is_not(None),\n",
        "",
        (UNKNOWN_PLACEMENTS, SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "suspects of the late look are not told",
        DUPLICATES,
        "this.findings.duplicates |= {*progress.candidates, *progress.suspects}",
        "this.findings.duplicates |= {*progress.candidates}",
        (SECOND_LOOKS, SIMULATION),
    ),
    Mutation(
        "tasks and site of an order that is replaced are kept",
        KEEPING,
        "    if order.cloudpress_order_id is not None:\n        for table in (Task, Site):",
        "    if False:\n        for table in (Task, Site):",
        (SECOND_LOOKS, SIMULATION),
    ),
)
