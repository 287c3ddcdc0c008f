"""Rules of what makes an order due, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import LEASES, SIMULATION

FILE = "app/orders/waking.py"

MUTATIONS = (
    Mutation(
        "a wake shortens what `Retry-After` says",
        FILE,
        "if order.not_before is None or order.not_before <= tx.now:",
        "if True:",
        (LEASES,),
    ),
    Mutation(
        "nobody is told that an order is due",
        FILE,
        "        order.due_at = order.not_before\n    tx.announce(due=Order)\n",
        "        order.due_at = order.not_before\n",
        (SIMULATION,),
    ),
)
