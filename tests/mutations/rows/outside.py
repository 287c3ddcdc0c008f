"""Rules of what comes in from outside, and of what is told there, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import (
    CLIENT,
    EVENTS_AND_KEYS,
    GIVEN,
    GOES_WRONG,
    NAMED_TWICE,
    ORIGINS,
    RESTORED_AND_LOOKED_AT,
    UNDER_PATH,
)

RESTORATIONS = "app/orders/restorations.py"

MUTATIONS = (
    Mutation(
        "a restoration that is noted again forgets what the last one asked for",
        RESTORATIONS,
        "        if before is not None and await open_searches(tx.session, before.id):\n",
        "        if False and before is not None:\n",
        (RESTORED_AND_LOOKED_AT,),
    ),
    Mutation(
        "whatever happened in a restored database tells when its backup was made",
        RESTORATIONS,
        "    latest.append(select(func.max(Event.at)).where(Event.order_id.is_not(None)))\n",
        "    latest.append(select(func.max(Event.at)))\n",
        (RESTORED_AND_LOOKED_AT,),
    ),
    Mutation(
        "a backup may be of a time to come",
        RESTORATIONS,
        "        if since is not None and since > tx.now + DRIFT:\n",
        "        if False and since is not None:\n",
        (RESTORED_AND_LOOKED_AT,),
    ),
    Mutation(
        "of two idempotency keys, or numbers of last events, the first counts",
        "app/api/repeated_headers.py",
        "        if len(request.headers.getlist(name)) > 1:\n",
        "        if False:\n",
        (NAMED_TWICE,),
    ),
    Mutation(
        "a key for some accounts reads what all are counted by",
        "app/api/auth.py",
        "    if grant.account_ids is not None:\n",
        "    if False and grant.account_ids is not None:\n",
        (NAMED_TWICE,),
    ),
    Mutation(
        "a stream outlives its key until there is something to tell",
        "app/api/sse.py",
        "asyncio.wait(tasks, timeout=lasts_seconds, ",
        "asyncio.wait(tasks, ",
        (EVENTS_AND_KEYS,),
    ),
    Mutation(
        "that another account's order was pruned is told",
        "app/events/reading.py",
        "            is_stripped = is_stripped.where(Order.account_id.in_(interest.account_ids))\n",
        "            pass\n",
        (EVENTS_AND_KEYS,),
    ),
    Mutation(
        "an expired key is replaced by one that is not let in",
        "app/keys.py",
        "        if _has_expired(stored, tx.now):\n",
        "        if False:\n",
        (EVENTS_AND_KEYS,),
    ),
    Mutation(
        "who is told to repeat a command is not told by which key",
        "app/cli/orders.py",
        "    except (UnknownOutcomeError, KeyboardInterrupt):\n",
        "    except KeyboardInterrupt:\n",
        (GOES_WRONG,),
    ),
    Mutation(
        "a program needs all its streams",
        "app/cli/printing.py",
        '    sys.stdin = sys.stdin or _nowhere(0, "r")\n',
        "",
        (GOES_WRONG,),
    ),
    Mutation(
        "a path that is spelled out is found nowhere",
        "app/api/middleware/under_path.py",
        "self._path = unquote(path)",
        "self._path = path",
        (UNDER_PATH,),
    ),
    Mutation(
        "an address is written as no header can hold it",
        "app/api/middleware/under_path.py",
        "self._written = path",
        "self._written = unquote(path)",
        (UNDER_PATH,),
    ),
    Mutation(
        "an origin may have a host that no browser names",
        "app/cloudpress/origins.py",
        "    if not NAME.fullmatch(host):\n",
        "    if False:\n",
        (ORIGINS,),
    ),
    Mutation(
        "an origin's address is taken in any spelling",
        "app/cloudpress/origins.py",
        "    if NUMBER_AT_END.fullmatch(host) and not _is_written_out(host):\n",
        "    if False:\n",
        (ORIGINS,),
    ),
    Mutation(
        "a command makes up a key for an order whose key is empty",
        "app/cli/given.py",
        "    if value is not None and not value.strip():\n",
        "    if False:\n",
        (GIVEN,),
    ),
    Mutation(
        "of two values on the command line the last counts",
        "app/cli/given.py",
        "        if name in found:\n",
        "        if False:\n",
        (GIVEN,),
    ),
    Mutation(
        "paths are added to a query",
        "app/cli/client.py",
        '    if "?" in text or "#" in text:\n',
        "    if False:\n",
        (CLIENT,),
    ),
    Mutation(
        "a refusal of any program is one of Presshook's",
        "app/cli/client.py",
        "        if not _is_problem(answer):\n",
        "        if False:\n",
        (CLIENT,),
    ),
)
