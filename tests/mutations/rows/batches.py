"""Rules of what is written together, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import GROUP_COMMIT, LEASES, SIMULATION

BATCHES = "app/queue/group_commit.py"
CALLBACKS = "app/orders/callbacks.py"
WAKING = "app/orders/waking.py"
WHOLE = "app/db/whole.py"

MUTATIONS = (
    Mutation(
        "a batch is acknowledged before its commit",
        BATCHES,
        "            results = await self._transaction(batch)\n",
        "            self.early = asyncio.create_task(self._transaction(batch))\n"
        "            results = [True] * len(batch.entries())\n",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "a batch is gathered before its transaction has begun",
        BATCHES,
        "        return await db.write_whole(lambda tx: write(tx, gather()))\n",
        "        items = gather()\n        return await db.write_whole(lambda tx: write(tx, items))\n",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "what does not fit into a batch of what was put off is forgotten",
        BATCHES,
        "                if not waiting:\n                    del self._put_off[key]\n",
        "                del self._put_off[key]\n",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "a batch is acknowledged without its commit",
        WHOLE,
        "            connection.commit()\n",
        "            connection.rollback()\n",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "a wake is lost that came while its batch was written",
        WAKING,
        'wakes=Order.wakes + bindparam("news"),',
        'wakes=bindparam("news"),',
        (GROUP_COMMIT,),
    ),
    Mutation(
        "nobody is told that the orders of a batch are due",
        WAKING,
        "    for account_id in accounts:\n        tx.announce(due=Order, account=account_id)\n",
        "",
        (SIMULATION,),
    ),
    Mutation(
        "a wake of many shortens what `Retry-After` says",
        WAKING,
        "due_at=case((Order.not_before > _NOW, Order.not_before), else_=_NOW),",
        "due_at=_NOW,",
        (LEASES,),
    ),
    Mutation(
        "a batch takes its locks in the order of arrival",
        CALLBACKS,
        "    order_ids = sorted({each.order_id for each in received})\n"
        "    orders = _lock_orders(tx, order_ids)\n",
        "    order_ids = list(dict.fromkeys(each.order_id for each in received))\n"
        '    locks = (tx.connection.execute(_LOCK, {"ids": [each]}).all() for each in order_ids)\n'
        "    orders = _locked(row for rows in locks for row in rows)\n",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "a batch waits for an order that somebody else has locked",
        CALLBACKS,
        "    return _locked(tx.connection.execute(_LOCK_FREE, ",
        "    return _locked(tx.connection.execute(_LOCK, ",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "what is kept of an order is read before it is locked",
        CALLBACKS,
        "    if len(order_ids) == 1:\n        orders =",
        "    if len(order_ids) == 1:\n"
        "        waiting = _LOCK_FREE.with_for_update(of=Order)\n"
        '        return _locked(tx.connection.execute(waiting, {"ids": order_ids}))\n'
        "        orders =",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "an item's failure fails its neighbours",
        BATCHES,
        "            if len(batch.entries()) == 1:\n",
        "            if batch:\n",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "an item's failure is swallowed",
        BATCHES,
        "            if len(batch.entries()) == 1:\n                _fail(batch.entries(), error)\n",
        "            if len(batch.entries()) == 1:\n"
        "                batch.entries()[0].done.set_result(False)\n",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "events of a batch are numbered before the lock",
        "app/db/postgresql.py",
        "               pg_advisory_xact_lock(:lock),\n",
        "               (SELECT pg_advisory_xact_lock(:lock) WHERE nextval('events_id_seq') > 0),\n",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "a transaction is repeated whose commit was cut off",
        WHOLE,
        "if committing or not error.connection_invalidated:",
        "if not error.connection_invalidated:",
        (GROUP_COMMIT,),
    ),
    Mutation(
        "a callback that was put off is forgotten",
        BATCHES,
        "            self._put_off.setdefault(self._key(entry.item), []).append(entry)\n",
        "            entry.done.set_result(False)\n",
        (GROUP_COMMIT,),
    ),
)
