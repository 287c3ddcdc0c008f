"""Rules of what makes an order due, and of what an operator's word holds for, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import ERASED_KEYS, LATE_CALLBACKS, LEASES, ORPHANS, SHOWN, SIMULATION

FILE = "app/orders/waking.py"
WORDS = "app/orders/shown.py"
INTAKE = "app/orders/intake.py"
ERASING = "app/orders/erasing.py"

MUTATIONS = (
    Mutation(
        "a wake shortens what `Retry-After` says",
        FILE,
        "if order.not_before is None or order.not_before <= tx.now:",
        "if True:",
        (LEASES,),
    ),
    Mutation(
        "nobody is told that an order is due",
        FILE,
        "        order.due_at = order.not_before\n    tx.announce(due=Order, account=order.account_id)\n",
        "        order.due_at = order.not_before\n",
        (SIMULATION,),
    ),
    Mutation(
        "what came up since an operator looked is no reason to refuse his word",
        WORDS,
        "    if suspects or callbacks:\n",
        "    if False:\n",
        (SHOWN,),
    ),
    Mutation(
        "callbacks that came in since are none",
        WORDS,
        "callbacks = max(await count_callbacks(tx.session, order) - shown.callbacks, 0)",
        "callbacks = 0",
        (SHOWN,),
    ),
    Mutation(
        "who says nothing of what he was shown was shown all",
        WORDS,
        "        return sorted(each for each in {*found} if tells_of(told, each))",
        "        return sorted({*found})",
        (SHOWN,),
    ),
    Mutation(
        "a word overrules callbacks that came after what was told",
        WORDS,
        "(has_unseen_news(order) or not _tells_of_callbacks(order))",
        "False",
        (SHOWN, LATE_CALLBACKS),
    ),
    Mutation(
        "who gives an order up has not heard of its callbacks",
        "app/orders/resolving.py",
        '    if action != "adopt":\n        await overrule',
        '    if action == "place_again":\n        await overrule',
        (LATE_CALLBACKS,),
    ),
    Mutation(
        "an orphan that was adopted holds back no repeat",
        "app/orders/orphans.py",
        "        *await _adopted_lately(session, order),\n",
        "",
        (ORPHANS,),
    ),
    Mutation(
        "a key buys anew once its order is erased",
        INTAKE,
        "            await _require_unerased(tx.session, all_ordered)\n",
        "",
        (ERASED_KEYS,),
    ),
    Mutation(
        "a key is looked for among erased ones before its order is inserted",
        INTAKE,
        "            tx.session.add_all(orders)\n"
        "            await tx.session.flush()\n"
        "            await _require_unerased(tx.session, all_ordered)\n",
        "            await _require_unerased(tx.session, all_ordered)\n"
        "            tx.session.add_all(orders)\n"
        "            await tx.session.flush()\n",
        (ERASED_KEYS,),
    ),
    Mutation(
        "of two orders that one key bought the last one is told",
        INTAKE,
        "    return same[0] if same else None\n",
        "    return same[-1] if same else None\n",
        (ERASED_KEYS,),
    ),
    Mutation(
        "on PostgreSQL the second order that one key bought is never erased",
        ERASING,
        "(is_taken, null()), else_=digest",
        "else_=digest",
        (ERASED_KEYS,),
    ),
    Mutation(
        "on SQLite the second order that one key bought is never erased",
        ERASING,
        "None if key in taken else digested(key[1])",
        "digested(key[1])",
        (ERASED_KEYS,),
    ),
)
