"""Rules of leases and of wakes, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import LEASES, SECOND_LOOKS, SIMULATION, STAYING_UP

FILE = "app/queue/leases.py"

MUTATIONS = (
    Mutation(
        "a release overwrites a wake",
        FILE,
        "woken = row.wakes != claim.wakes",
        "woken = False",
        (LEASES,),
    ),
    Mutation(
        "a row is held without the token",
        FILE,
        'mine = table.id == bindparam("id"), table.lease_token == bindparam("token")',
        'mine = (table.id == bindparam("id"),)',
        (LEASES,),
    ),
    Mutation(
        "a renewed lease is counted from later",
        FILE,
        "row=row, expires_at_uptime=tx.began_at_uptime + lease_seconds)",
        "row=row, expires_at_uptime=tx.clock.uptime() + lease_seconds)",
        (LEASES, SIMULATION, STAYING_UP),
    ),
    Mutation(
        "what a share leaves is not known to be due",
        FILE,
        "is_more_due = len(locked) == limit or len(found) < len(locked)",
        "is_more_due = len(locked) == limit",
        (SECOND_LOOKS,),
    ),
    Mutation(
        "what a full account leaves is not known to be due",
        "app/reconciler/loop.py",
        "claimed.is_more_due or bool(full) or is_full",
        "claimed.is_more_due or is_full",
        (SECOND_LOOKS,),
    ),
)
