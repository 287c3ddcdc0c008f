"""Rules of what an operator's word is about, and of what comes of it while it waits, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import TOLD_ANEW, UNSEEN_NEWS, WORDS_THAT_WAIT

LIFECYCLE = "app/orders/lifecycle_events.py"
DISMISSING = "app/orders/dismissing.py"
RESOLVING = "app/orders/resolving.py"
SHOWN = "app/orders/shown.py"

MUTATIONS = (
    Mutation(
        "what comes in while a pass looks is taken for seen by it",
        "app/reconciler/concluding.py",
        "order.seen_wakes = this.claim.wakes\n",
        "order.seen_wakes = order.wakes\n",
        (UNSEEN_NEWS,),
    ),
    Mutation(
        "what an answer has named and no pass has seen is settled by a word",
        SHOWN,
        "    if not settled or not has_unseen_news(order):\n",
        "    if True:\n",
        (UNSEEN_NEWS,),
    ),
    Mutation(
        "a word takes away what an answer has just named",
        RESOLVING,
        "        held = {order.cloudpress_order_id} if is_mixed_up(order) else set()\n",
        "        held = set[str | None]()\n",
        (UNSEEN_NEWS,),
    ),
    Mutation(
        "a word to fail what may be answered yet is done because its token is away",
        "app/reconciler/choosing.py",
        "if is_given_up_for_its_token(order) or (is_given_up(order) and _has_waited(this)):",
        "if is_given_up(order):",
        (WORDS_THAT_WAIT,),
    ),
    Mutation(
        "a word to fail overrules callbacks that nobody was shown",
        SHOWN,
        "known = max(await count_callbacks(session, order) - await ",
        "known = max(await count_callbacks(session, order) - 0 * await ",
        (WORDS_THAT_WAIT,),
    ),
    Mutation(
        "two orders are promised one CloudPress order",
        RESOLVING,
        "    for other in promised:",
        "    for other in promised[:0]:",
        (WORDS_THAT_WAIT,),
    ),
    Mutation(
        "what was dismissed is adopted by the word before",
        DISMISSING,
        "            if is_promised(order, dismissed):\n",
        "            if is_promised(order, ()):\n",
        (WORDS_THAT_WAIT,),
    ),
    Mutation(
        "an orphan that was adopted is promised to nobody",
        "app/orders/settling_orphans.py",
        "        record(tx, order.id, EventType.RESOLUTION_REQUESTED, **word)\n",
        "",
        (WORDS_THAT_WAIT,),
    ),
    Mutation(
        "nobody is told that he is to cancel nothing any more",
        LIFECYCLE,
        "    if before.is_told_otherwise(order):\n",
        "    if False:\n",
        (TOLD_ANEW,),
    ),
    Mutation(
        "a payment for another CloudPress order is not told where the page is the same",
        LIFECYCLE,
        '    if told is None or told.get("cloudpress_order_id") != order.cloudpress_order_id:\n',
        "    if told is None:\n",
        (TOLD_ANEW,),
    ),
)
