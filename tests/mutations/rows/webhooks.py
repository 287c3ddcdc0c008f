"""Rules of telling applications, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import SIMULATION

MUTATIONS = (
    Mutation(
        "a delivery is forgotten",
        "app/webhooks/outbox.py",
        "        if _wants(event.type, account_id, event_types, account_ids)\n",
        "        if not _wants(event.type, account_id, event_types, account_ids)\n",
        (SIMULATION,),
    ),
)
