"""Rules of what a request may cost beside all that ever happened, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import CONTEXTS, FILTERS, MISSED, RARE_EVENTS, SHARING

READING = "app/events/reading.py"
REDELIVERING = "app/webhooks/redelivering.py"

MUTATIONS = (
    Mutation(
        "what is rare is looked for among all that happened in one read",
        READING,
        "    end = await end_of_window(session, after) if interest.is_sifted else None\n",
        "    end = None\n",
        (FILTERS,),
    ),
    Mutation(
        "a window in which nothing is wanted is the end",
        READING,
        "    return found, found[-1].id if len(found) == limit else end\n",
        "    return found, found[-1].id if len(found) == limit else None\n",
        (RARE_EVENTS,),
    ),
    Mutation(
        "a page of rare events costs all windows that there are",
        "app/api/routes/events.py",
        "    for _ in range(WINDOWS):\n",
        "    for _ in range(10**6):\n",
        (RARE_EVENTS,),
    ),
    Mutation(
        "a webhook's deliveries of one status are looked for among all others",
        "migrations/versions/0031_deliveries_by_status.py",
        '    op.create_index(NAME, "deliveries", ["webhook_id", "status", "id"])\n',
        "    pass\n",
        (FILTERS,),
    ),
    Mutation(
        "what was missed is looked for among all that happened in one read",
        REDELIVERING,
        "        end = await end_of_window(session, after)\n",
        "        end = None\n",
        (FILTERS,),
    ),
    Mutation(
        "what was missed is looked for to the end of a window alone",
        REDELIVERING,
        "    return found, found[-1] if len(found) == BATCH else end\n",
        "    return found, found[-1] if len(found) == BATCH else None\n",
        (MISSED,),
    ),
    Mutation(
        "what two ask for at once is made twice",
        REDELIVERING,
        "        missed = _missed(webhook, since).where(Event.id.in_(event_ids))\n",
        "        missed = select(Event.id).where(Event.id.in_(event_ids))\n",
        (MISSED,),
    ),
    Mutation(
        "one key reads with all connections",
        "app/api/auth.py",
        "        reader.set(grant.identity)\n",
        "",
        (SHARING,),
    ),
    Mutation(
        "no connection is kept for other keys",
        "app/db/sharing.py",
        "KEPT_FOR_OTHERS = 2\n",
        "KEPT_FOR_OTHERS = 0\n",
        (SHARING,),
    ),
    Mutation(
        "a catalog for all waits for the turn of the key that asked first",
        "app/accounts/catalog.py",
        "        with for_all():\n",
        "        if True:\n",
        (SHARING,),
    ),
    Mutation(
        "a key that asks for too much is told that the database is away",
        "app/api/problems/answering.py",
        "        case CrowdedError():\n",
        "        case CrowdedError() if False:\n",
        (SHARING,),
    ),
    Mutation(
        "whether somebody works is looked for in the turn of the key that asks",
        "app/queue/heartbeats.py",
        "            with for_all(), self._db",
        "            with self._db",
        (SHARING,),
    ),
    Mutation(
        "metrics are counted in the turn of the key that asks",
        "app/telemetry/snapshot.py",
        "            with for_all(), self._db",
        "            with self._db",
        (SHARING,),
    ),
    Mutation(
        "a request knows whose the one before it was",
        "app/server/protocol.py",
        "exchange.run(app), context=Context())",
        "exchange.run(app))",
        (CONTEXTS,),
    ),
)
