"""Rules of leases and of wakes, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import LEASES, SIMULATION, STAYING_UP

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
)
