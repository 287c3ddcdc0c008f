"""Rules of telling applications, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import FAIR_SLOTS, GONE_THROUGH, REMOVED, SIMULATION

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
    Mutation(
        "whoever writes all secrets anew has events pass the webhooks over",
        "app/maintenance/encrypted.py",
        ".with_for_update(key_share=True)\n",
        ".with_for_update()\n",
        (GONE_THROUGH,),
    ),
    Mutation(
        "a webhook that was enabled again is removed while it is enabled",
        "app/webhooks/registry.py",
        "        if webhook.is_enabled:\n            return None\n",
        "",
        (REMOVED,),
    ),
)
