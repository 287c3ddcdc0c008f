"""Rules of telling applications, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import FAIR_SLOTS, SIMULATION

MUTATIONS = (
    Mutation(
        "many slow webhooks take the slots of all others",
        "app/webhooks/deliverer.py",
        "RESERVED_SHARE = 4\n",
        "RESERVED_SHARE = 1000\n",
        (FAIR_SLOTS,),
    ),
    Mutation(
        "a delivery is forgotten",
        "app/webhooks/outbox.py",
        "        if _wants(event.type, account_id, event_types, account_ids)\n",
        "        if not _wants(event.type, account_id, event_types, account_ids)\n",
        (SIMULATION,),
    ),
)
