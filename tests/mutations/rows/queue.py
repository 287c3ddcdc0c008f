"""Rules of leases and of wakes, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import (
    FULL_ACCOUNTS,
    LEASES,
    NEXT_DUE,
    SIMULATION,
    STAYING_UP,
    WORKER,
)

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
        "what was due by a clock that was ahead waits for it to come there again",
        FILE,
        '"scheduled_at": tx.now, **_lease',
        '"scheduled_at": NEVER, **_lease',
        (LEASES,),
    ),
    Mutation(
        "nobody looks again at what is due later and leased",
        FILE,
        "select(func.min(table.due_at)).where(table.due_at > now)",
        "select(func.min(table.due_at)).where(table.due_at > now, table.lease_until.is_(None))",
        (NEXT_DUE,),
    ),
    Mutation(
        "a lease of nobody knows which machine is not looked at again",
        FILE,
        "func.count(case((here, None), else_=1))",
        'func.count(case((table.lease_boot != bindparam("boot", type_=Text()), 1)))',
        (NEXT_DUE,),
    ),
    Mutation(
        "nobody looks again at what another has locked",
        "app/queue/worker.py",
        "if claimed.is_any_left and not claimed.is_more_due:",
        "if claimed.is_any_left and claimed.is_more_due:",
        (WORKER,),
    ),
    Mutation(
        "what a share leaves is not known to be due",
        FILE,
        "is_more_due = len(locked) == limit or len(found) < len(locked)",
        "is_more_due = len(locked) == limit",
        (FULL_ACCOUNTS,),
    ),
    Mutation(
        "what a full account leaves is not known to be due",
        "app/reconciler/loop.py",
        "claimed.is_more_due or bool(full) or is_full",
        "claimed.is_more_due or is_full",
        (FULL_ACCOUNTS,),
    ),
    Mutation(
        "what comes while a claim is under way is passed over",
        "app/reconciler/loop.py",
        "        if self._is_claiming:\n            return True\n",
        "",
        (FULL_ACCOUNTS,),
    ),
    Mutation(
        "another account is passed over beside a full one",
        "app/reconciler/loop.py",
        "return not left.issuperset(accounts)",
        "return left.isdisjoint(accounts)",
        (FULL_ACCOUNTS,),
    ),
    Mutation(
        "a full account is never looked for again",
        "app/reconciler/loop.py",
        "<= self._turns.passes * FULL_ENOUGH",
        "< 0",
        (FULL_ACCOUNTS,),
    ),
    Mutation(
        "an account that was full is waited for although others have more",
        "app/reconciler/loop.py",
        "() if claimed.is_more_due else full",
        "full",
        (FULL_ACCOUNTS,),
    ),
    Mutation(
        "a callback says another's account",
        "app/orders/callbacks.py",
        "accounts={order.account_id for order in told.values()}",
        'accounts={"acct"}',
        (FULL_ACCOUNTS,),
    ),
    Mutation(
        "who claims a row does not wait for its lease",
        FILE,
        "    waits += [lease_seconds] if claims else []\n",
        "",
        (LEASES,),
    ),
    Mutation(
        "the end of another's lease is not waited for",
        FILE,
        "for at in (looked.next_due_at, looked.ends_at) if at is not None",
        "for at in (looked.next_due_at,) if at is not None",
        (LEASES,),
    ),
    Mutation(
        "the end of a lease of the same machine is not waited for",
        FILE,
        "    if looked.ends_at_uptime is not None:\n",
        "    if looked.ends_at_uptime is None:\n",
        (LEASES,),
    ),
    Mutation(
        "a lease that has run out is waited for without end",
        FILE,
        "case((and_(here, ends_at_uptime > uptime), ends_at_uptime))",
        "case((here, ends_at_uptime))",
        (LEASES,),
    ),
    Mutation(
        "a clock that was read a lease ago is believed",
        FILE,
        "    if watch is not None and tx.seconds_so_far() >= lease_seconds:\n",
        "    if watch is not None and tx.seconds_so_far() < 0:\n",
        (LEASES,),
    ),
)
