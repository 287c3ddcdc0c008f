"""Rules of telling applications, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import SIMULATION

MUTATIONS = (
    Mutation(
        "a delivery is forgotten",
        "app/webhooks/outbox.py",
        "    tx.session.add_all(_new(tx, webhook_id, event) for",
        "    list(_new(tx, webhook_id, event) for",
        (SIMULATION,),
    ),
)
