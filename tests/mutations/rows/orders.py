"""Rules of what makes an order due, and of what an operator's word holds for, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import LATE_CALLBACKS, LEASES, ORPHANS, SHOWN, SIMULATION

FILE = "app/orders/waking.py"
WORDS = "app/orders/shown.py"

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
        "app/orders/requests.py",
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
)
