"""Rules of what callbacks name, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import (
    ANOTHERS_ANSWERS,
    CALLBACK_HINTS,
    HANGING,
    LATE_CALLBACKS,
    LATE_LOOKS,
    LATE_NAMES,
)

HINTS = "app/reconciler/callback_hints.py"
DUPLICATES = "app/reconciler/duplicates.py"
JUDGING = "app/reconciler/judging.py"

MUTATIONS = (
    Mutation(
        "an order that tells no name is taken for ours",
        HINTS,
        "        # All that are as young look like that",
        "        return Agreement.FULL\n        # All that are as young look like that",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "a site that cannot be read hides what other callbacks name",
        HINTS,
        "        if not is_about_one(error):\n            raise\n        return Agreement.UNREAD\n",
        "        raise error\n",
        (LATE_NAMES,),
    ),
    Mutation(
        "what is not told yet is not asked about again",
        HINTS,
        "told.isdisjoint({Agreement.UNTOLD, Agreement.UNREAD})",
        "True",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "what never told its name is shown to nobody",
        "app/reconciler/confirming.py",
        "(*named.suspects, *named.never_told)",
        "named.suspects",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "what is not told replaces what was looked up",
        JUDGING,
        "it for it in others if it in {*called_back.order_ids, *sent.answered_ids} and it not in settled",
        "it for it in others if it not in settled",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "what is not told is no double",
        DUPLICATES,
        "dict.fromkeys(called_back.possible, CALLBACK)",
        "dict.fromkeys(called_back.order_ids, CALLBACK)",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "that its own was named is forgotten",
        HINTS,
        "        this.findings.tasks[task_id] = task\n",
        "        pass\n",
        (ANOTHERS_ANSWERS,),
    ),
    Mutation(
        "a task that cannot be read hides those of other callbacks",
        HINTS,
        "            if is_about_one(failed):\n",
        "            if False:\n",
        (LATE_CALLBACKS, HANGING),
    ),
    Mutation(
        "of tasks that hang each counts only when its own turn has come",
        HINTS,
        "            read.unread |= {it.task_id for it in sent.hints[number:] if it.unread_since}\n",
        "",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "a callback whose task cannot be read hides the look-up",
        "app/reconciler/confirming.py",
        "    if named.error is not None and not may_go_on(this, named.error):\n",
        "    if named.error is not None:\n",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "a suspended site hides a double from the late look",
        "app/reconciler/looking_up.py",
        "            if error.status not in {402, 404}:\n",
        "            if error.status != 404:\n",
        (LATE_LOOKS,),
    ),
    Mutation(
        "of two tasks that name one order the older one is believed",
        HINTS,
        "        if before not in {Agreement.NONE, Agreement.ALIKE} or agreement is Agreement.NONE:\n",
        "        if before is None or True:\n",
        (CALLBACK_HINTS,),
    ),
)
