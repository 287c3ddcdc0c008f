"""Rules of what an operator's word covers, and of what outranks what CloudPress's list shows, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import ANSWERED_TO_BOTH, CALLBACK_HINTS, HANDED_OVER, SEEN_BEFORE, WORDS

ADOPTION = "app/reconciler/adopting.py"
AFTER_RESTORE = "app/maintenance/after_restore.py"
ANSWERS = "app/reconciler/answers.py"
CALLBACKS = "app/orders/callbacks.py"
CONFIRMING = "app/reconciler/confirming.py"
JUDGING = "app/reconciler/judging.py"
HANDING_OVER = "app/orders/handing_over.py"
INTENTS = "app/reconciler/intents.py"
KEEPING = "app/reconciler/keeping.py"
KEEPING_DUPLICATES = "app/reconciler/keeping_duplicates.py"
LOOKING_UP = "app/reconciler/looking_up.py"
NAMING = "app/reconciler/naming.py"
NOT_FOUND = "app/reconciler/not_found.py"
RESOLVING = "app/orders/resolving.py"

MUTATIONS = (
    Mutation(
        "an answer that names what another order has is thrown away",
        ANSWERS,
        "    return replace(posted, ended=ended, is_doubted=True)\n",
        "    return Posted(ended)\n",
        (WORDS, ANSWERED_TO_BOTH),
    ),
    Mutation(
        "what an answer named and another order has is no reason to ask",
        CONFIRMING,
        "progress.suspects += dict.fromkeys((*doubtful, *own))",
        "progress.suspects += doubtful",
        (WORDS,),
    ),
    Mutation(
        "an order that was taken for another's goes on with its site",
        JUDGING,
        "surely_held) | claimed\n",
        "surely_held)\n",
        (WORDS,),
    ),
    Mutation(
        "a look-up takes what another order was answered with",
        "app/orders/claims.py",
        "        if order_id is not None and not (but_dismissed",
        "        if not order_id and not (but_dismissed",
        (WORDS,),
    ),
    Mutation(
        "a word holds whatever orphans are found after it",
        NOT_FOUND,
        "word=_word(order, sent, (*progress.candidates, *suspects)),",
        "word=_word(order, sent, (*progress.candidates, *progress.suspects)),",
        (WORDS,),
    ),
    Mutation(
        "what an operator knew of is adopted after the attempt that his word led to",
        INTENTS,
        "look_up.ruled_out = sorted({*look_up.ruled_out, *known})",
        "pass",
        (WORDS,),
    ),
    Mutation(
        "a look-up outranks a word that was given meanwhile",
        ADOPTION,
        "        or is_to_end_otherwise(order)\n",
        "",
        (WORDS,),
    ),
    Mutation(
        "who gives an order up overrules what he was not told of",
        RESOLVING,
        'return {"known": known, "untold": sorted({*found} - {*known, *unseen})}',
        'return {"known": known, "untold": []}',
        (WORDS,),
    ),
    Mutation(
        "an order that was given up is not looked for again",
        CONFIRMING,
        "was_sent=bool(sent.landed)",
        "was_sent=False",
        (WORDS,),
    ),
    Mutation(
        "a double that was dismissed during a pass is suspected again",
        KEEPING_DUPLICATES,
        "new = findings.duplicates - known - settled",
        "new = findings.duplicates - known",
        (WORDS,),
    ),
    Mutation(
        "ids in other letters are other ids",
        HANDING_OVER,
        "return {cloudpress_order_id, cloudpress_order_id.lower(), cloudpress_order_id.upper()}",
        "return {cloudpress_order_id}",
        (WORDS,),
    ),
    Mutation(
        "an order holds an id as an operator has written it",
        ADOPTION,
        "findings.order_id = spelt_as(findings.order.value.id if findings.order else None, order_ids[0])",
        "findings.order_id = order_ids[0]",
        (WORDS,),
    ),
    Mutation(
        "one more task that a callback names is not heard",
        CALLBACKS,
        "MAX_BODIES_PER_ORDER * (1 if is_known else 2)",
        "MAX_BODIES_PER_ORDER",
        (WORDS,),
    ),
    Mutation(
        "one more callback that names nothing is not heard once all were overruled",
        CALLBACKS,
        "        same.speaks_again |= is_news\n",
        "",
        (WORDS,),
    ),
    Mutation(
        "a word that was corrected during a pass is done all the same",
        NOT_FOUND,
        "    if held.order.resolution == this.order.resolution:\n",
        "    if True:\n",
        (WORDS,),
    ),
    Mutation(
        "one more callback of a task that was given up is not read",
        CALLBACKS,
        ".values(overruled_at=None, checked_at=None, ",
        ".values(overruled_at=None, ",
        (WORDS,),
    ),
    Mutation(
        "an order that has ended when it is found reads no callbacks",
        ADOPTION,
        "rechecked=Rechecked(open_hints=is_left)",
        "rechecked=Rechecked()",
        (WORDS,),
    ),
    Mutation(
        "what a callback named before an order was found is forgotten",
        ADOPTION,
        "findings.reads_callbacks_anew = True",
        "pass",
        (WORDS,),
    ),
    Mutation(
        "what an order was answered with is given away",
        HANDING_OVER,
        "return is_open and order.cloudpress_order_id_source == LOOK_UP",
        "return is_open",
        (WORDS,),
    ),
    Mutation(
        "what another order got by its name is given to whoever asks",
        HANDING_OVER,
        "    return is_by_name and is_alike and not has_called_back\n",
        "    return True\n",
        (WORDS,),
    ),
    Mutation(
        "what an order has ended as is taken from it",
        HANDING_OVER,
        "return is_open and order.cloudpress_order_id_source == LOOK_UP",
        "return order.cloudpress_order_id_source == LOOK_UP",
        (WORDS,),
    ),
    Mutation(
        "an order keeps what was read of one that is another's",
        "app/orders/forgetting.py",
        "        await tx.session.execute(delete(table).where(table.order_id == order.id))\n",
        "        pass\n",
        (WORDS,),
    ),
    Mutation(
        "a pass that goes on writes what it has seen of an order that was handed over",
        HANDING_OVER,
        "leases.end(holder)",
        "pass",
        (WORDS,),
    ),
    Mutation(
        "an order that has ended as another's asks nobody",
        CONFIRMING,
        "    await have_others_asked(this, held)\n",
        "",
        (WORDS,),
    ),
    Mutation(
        "what looked like an order too is forgotten once that is found",
        ADOPTION,
        "findings.may_be_doubled = bool(beside - ruled_out(this.order))",
        "pass",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "what an order held before is forgotten once another takes its place",
        KEEPING,
        "        findings.may_be_doubled = True\n",
        "",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "a yes to cancelling is a yes for whatever replaces it",
        "app/orders/forgetting.py",
        "    order.cancel_accepted_at = order.cancel_refusal = order.cancel_unanswered = None\n",
        "    order.cancel_refusal = None\n",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "what CloudPress names after a dismissal is not told",
        JUDGING,
        "settled = settled_by_operator(this)",
        "settled = set(order.settled_duplicates or ())",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "what an operator settles after CloudPress has named it is told all the same",
        NAMING,
        "            since -= ids\n",
        "",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "a double that is wanted is taken by another order's look-up",
        LOOKING_UP,
        "is_likely = is_told_around and order_id not in self._dismissed",
        "is_likely = is_told_around",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "an order that was never sent takes what a restored database has lost",
        ADOPTION,
        "        or await _may_be_younger_than_the_backup(this, held, sent)\n",
        "",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "what was made long after an order was sent is no other's in a restored database",
        ADOPTION,
        "is_told_around(order, surely, details, is_understood=False, sending_seconds=seconds)",
        "is_told_around(order, surely, details, is_understood=True, sending_seconds=seconds)",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "a restoration forgets what an operator has ruled out",
        AFTER_RESTORE,
        "    if ruled_out or claimed:\n",
        "    if claimed:\n",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "what an operator has dismissed is taken by a callback of before",
        CONFIRMING,
        "own = [order_id for order_id in named.order_ids if order_id not in other]",
        "own = list(named.order_ids)",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "a look-up takes another one than the callback names",
        CONFIRMING,
        "    if is_found and _agrees_with_callbacks(progress.candidates[0], named):\n",
        "    if is_found:\n",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "what an order had to give away is taken back, where its own answer or callback named it too",
        HANDING_OVER,
        "holder.settled_duplicates = sorted({*(holder.settled_duplicates or ()), taken} - beside)",
        "pass",
        (HANDED_OVER,),
    ),
    Mutation(
        "an order that gave away what it held has its own for a double",
        HANDING_OVER,
        "        holder.suspected_duplicates = None  # each of those may be its own now\n",
        "",
        (HANDED_OVER,),
    ),
    Mutation(
        "an order that holds another's is freed by nobody",
        "app/orders/resolvable.py",
        '        or (action in {"place_again", "fail"} and is_mixed_up(order))\n',
        "",
        (HANDED_OVER,),
    ),
    Mutation(
        "what another order has by now is a double for ever",
        JUDGING,
        "(findings.duplicates_ended | (before & surely_held)) - mixed_up",
        "findings.duplicates_ended - mixed_up",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "what is named anew does not keep the pass from the site",
        JUDGING,
        "return found - settled_by_operator(this) - {own",
        "return found - set(order.settled_duplicates or ()) - {own",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "what is dismissed for another order meanwhile is taken",
        ADOPTION,
        "        or found in await dismissed_by_others(tx.session, order)\n",
        "",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "each repeat of a callback undoes a word",
        NAMING,
        "if task_id in of_tasks and task_id not in heard:",
        "if task_id in of_tasks:",
        (SEEN_BEFORE,),
    ),
    Mutation(
        "a double that was cancelled is told anew by its own callback",
        NAMING,
        "frozenset(since - over)",
        "frozenset(since)",
        (SEEN_BEFORE,),
    ),
)
