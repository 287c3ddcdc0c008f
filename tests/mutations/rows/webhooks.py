"""Rules of telling applications, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import SIMULATION

MUTATIONS = (
    Mutation(
        "a delivery is forgotten",
        "app/webhooks/outbox.py",
        "            tx.events.append(_new(tx, webhook.id, event))",
        "            _new(tx, webhook.id, event)",
        (SIMULATION,),
    ),
)
