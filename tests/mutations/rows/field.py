"""What broke in the field, broken again: money, other people's data, and staying up."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import (
    BACKUPS,
    CHANGING,
    FILES,
    FOREIGN_LINKS,
    LEASES,
    LOGS,
    NEVER_TWICE,
    ORPHANS,
    OUTAGES,
    STAYING_UP,
    TEXTS,
    TOLD,
)

ADOPTION = "app/reconciler/adopting.py"
CONCLUDING = "app/reconciler/concluding.py"
CONFIRMING = "app/reconciler/confirming.py"
INTENTS = "app/reconciler/intents.py"
NAMES = "app/orders/names.py"
OBSERVING = "app/reconciler/observing.py"

MUTATIONS = (
    Mutation(
        "a remembered number is believed of an order that is not shown",
        OBSERVING,
        "return is_listed or self._order is not None",
        "return True",
        (FOREIGN_LINKS,),
    ),
    Mutation(
        "a task decides for an order that it does not name",
        OBSERVING,
        "        if named or await self._is_anothers(task_id):\n",
        "        if await self._is_anothers(task_id):\n",
        (FOREIGN_LINKS,),
    ),
    Mutation(
        "two orders may have one site",
        CONCLUDING,
        "and await held.loaded.is_site_of_another(order, site.value.id)",
        "and False",
        (FOREIGN_LINKS,),
    ),
    Mutation(
        "a line of the log may raise",
        "app/telemetry/logs.py",
        "        with suppress(Exception):\n",
        "        with suppress(KeyError):\n",
        (LOGS,),
    ),
    Mutation(
        "a reconciler that dies leaves its process alive",
        "app/main.py",
        "        finally:\n            on_death()\n",
        "        finally:\n            pass\n",
        (STAYING_UP,),
    ),
    Mutation(
        "each round of each loop tells that the database is away",
        "app/db/outages.py",
        "if now - self._told.get(cause, -TOLD_AGAIN_SECONDS) < TOLD_AGAIN_SECONDS:",
        "if now < 0:",
        (OUTAGES,),
    ),
    Mutation(
        "orders are written to a file that was deleted",
        "app/db/engine.py",
        '        if entry.info["file"] != identity():\n',
        "        if not entry.info:\n",
        (FILES,),
    ),
    Mutation(
        "a text that cannot be stored undoes what is written with it",
        "app/db/texts.py",
        "    replaced, count = UNSTORABLE.subn(REPLACEMENT, text)\n",
        "    replaced, count = text, 0\n",
        (TEXTS,),
    ),
    Mutation(
        "any encoding of the database will do",
        "app/db/engine.py",
        'if encoding != "UTF8":',
        "if not encoding:",
        (TEXTS,),
    ),
    Mutation(
        "what a clock that was ahead has scheduled waits",
        "app/queue/clock_watch.py",
        "        if not found:\n            return True\n",
        "        if found or not found:\n            return True\n",
        (LEASES,),
    ),
    Mutation(
        "a restored database places before it knows what it has lost",
        INTENTS,
        "if not await loaded.is_searched(order.account_id):",
        "if False:",
        (ORPHANS,),
    ),
    Mutation(
        "what a restored database has lost is bought again",
        INTENTS,
        "if await loaded.was_restored() and await orphans_like(tx.session, order):",
        "if False:",
        (ORPHANS,),
    ),
    Mutation(
        "a lost order is another's wherever its name is told in another way",
        NAMES,
        "return self.was_seen and self.is_known and told is not None and not resembles(sent, told)",
        "return told is not None and not resembles(sent, told)",
        (ORPHANS,),
    ),
    Mutation(
        "what is no letter of ASCII is kept as it was sent",
        NAMES,
        "return one.startswith(two) or two.startswith(one) or _may_become(_unescaped(sent), two)",
        "return one.startswith(two) or two.startswith(one)",
        (ORPHANS,),
    ),
    Mutation(
        "an order is left out for an age that may be told amiss",
        "app/reconciler/window.py",
        "CLEARLY_OLDER = timedelta(days=1)",
        "CLEARLY_OLDER = CLOCK_TOLERANCE",
        (NEVER_TWICE, ORPHANS),
    ),
    Mutation(
        "the second of two words overrules what came in after the first",
        "app/orders/resolving.py",
        'if action == "place_again" and is_said and not is_not_sent(order):',
        "if False:",
        (TOLD,),
    ),
    Mutation(
        "who was to decide is asked only at the decision",
        INTENTS,
        "_is_left_to_people(this, order) or await _has_to_look_again(this, held, earlier)",
        "await _has_to_look_again(this, held, earlier)",
        (NEVER_TWICE,),
    ),
    Mutation(
        "an account that is new since the restoration is never looked through",
        "app/orders/restorations.py",
        "accounts = {own_account_id, *await session.scalars(waiting)}",
        "accounts = {own_account_id}",
        (ORPHANS,),
    ),
    Mutation(
        "a list that lags is believed after a restoration",
        "app/reconciler/orphan_search.py",
        "is_early = waited < self._grace_seconds",
        "is_early = False",
        (ORPHANS,),
    ),
    Mutation(
        "a list that shifts is believed after a restoration",
        "app/reconciler/orphan_search.py",
        "                if not new:\n                    break\n",
        "                break\n",
        (ORPHANS,),
    ),
    Mutation(
        "a lost order is given to whoever calls his site alike",
        ADOPTION,
        "if await is_left_to_people(held.tx.session, order, found, is_doubted=is_doubted):",
        "if False:",
        (ORPHANS,),
    ),
    Mutation(
        "an order that is cancelled at once stands still",
        "app/orders/changing.py",
        "            self.order.updated_at = self._tx.now\n",
        "",
        (CHANGING,),
    ),
    Mutation(
        "nobody who waits hears of a change",
        "app/orders/changing.py",
        "            self._tx.announce(changed=self.order.id)\n",
        "            self.shows_more = True\n",
        (CHANGING,),
    ),
    Mutation(
        "a backup needs hard links where it goes",
        "app/maintenance/backup.py",
        "        if error.errno not in NO_LINKS:\n",
        "        if True:\n",
        (BACKUPS,),
    ),
    Mutation(
        "without hard links a backup replaces what is there",
        "app/maintenance/backup.py",
        "        os.close(os.open(target, os.O_CREAT | os.O_EXCL | ",
        "        os.close(os.open(target, os.O_CREAT | ",
        (BACKUPS,),
    ),
)
