"""Rules of what callbacks name, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import ANOTHERS_ANSWERS, CALLBACK_HINTS, LATE_CALLBACKS

HINTS = "app/reconciler/callback_hints.py"
DUPLICATES = "app/reconciler/duplicates.py"

MUTATIONS = (
    Mutation(
        "an order that tells neither age nor name is taken for ours",
        HINTS,
        "return Agreement.UNTOLD if told.created_at is None else Agreement.FULL",
        "return Agreement.FULL",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "a name that is not shown now is one that nobody tells",
        HINTS,
        "    except NotFound:\n        # Its site has",
        "    except NotFound:\n        return Agreement.FULL\n        # Its site has",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "what is not told yet is not asked about again",
        HINTS,
        "        is_all_told = found is not None and Agreement.UNTOLD not in found.values()\n",
        "        is_all_told = found is not None\n",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "what never told its age or name is shown to nobody",
        "app/reconciler/confirming.py",
        "(*named.suspects, *named.never_told)",
        "named.suspects",
        (CALLBACK_HINTS,),
    ),
    Mutation(
        "what is not told replaces what was looked up",
        DUPLICATES,
        "    surer = [it for it in others if it in {*called_back.order_ids, *sent.answered_ids}]\n",
        "    surer = list(others)\n",
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
        "a callback about its own is heard only where its own tells all",
        HINTS,
        "        if order_id == own:\n",
        "        if False:\n",
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
        (LATE_CALLBACKS,),
    ),
)
