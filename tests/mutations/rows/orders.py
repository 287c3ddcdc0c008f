"""Rules of what makes an order due, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import LEASES, SIMULATION

FILE = "app/orders/waking.py"

MUTATIONS = (
    Mutation(
        "a wake shortens what `Retry-After` says",
        FILE,
        "order.due_at = max(tx.now, order.not_before or tx.now)",
        "order.due_at = tx.now",
        (LEASES,),
    ),
    Mutation(
        "nobody is told that an order is due",
        FILE,
        "    order.scheduled_at = tx.now\n    tx.announce(due=Order)\n",
        "    order.scheduled_at = tx.now\n",
        (SIMULATION,),
    ),
)
