"""Rules of what is left to do of an order that is final, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import FINAL_WITHOUT_A_TOKEN, LATE_CALLBACKS

MUTATIONS = (
    Mutation(
        "what is left of a final order is forgotten without a token",
        "app/reconciler/choosing.py",
        "        this.is_without_token = True\n",
        '        return await conclude(this, "observe", Rechecked())\n',
        (FINAL_WITHOUT_A_TOKEN,),
    ),
    Mutation(
        "a token that comes back wakes nobody who had none",
        "app/accounts/store.py",
        "(AttentionCode.CREDENTIALS_REFUSED, AttentionCode.ACCOUNT_UNKNOWN)",
        "(AttentionCode.CREDENTIALS_REFUSED,)",
        (FINAL_WITHOUT_A_TOKEN,),
    ),
    Mutation(
        "who gives up an account is asked for its token for ever",
        "app/reconciler/evidence.py",
        "        is_left = this.is_without_token and callback.overruled_at is not None\n",
        "        is_left = False\n",
        (FINAL_WITHOUT_A_TOKEN,),
    ),
    Mutation(
        "what is told of a callback is forgotten behind what else is told",
        "app/reconciler/vain_callbacks.py",
        "    findings.hints = tuple(task_id for task_id in findings.hints if task_id not in nowhere)\n",
        "",
        (LATE_CALLBACKS,),
    ),
    Mutation(
        "a callback that was looked into before the end is forgotten",
        "app/reconciler/confirming.py",
        "if it not in anew & sent.speaking",
        "if True",
        (LATE_CALLBACKS,),
    ),
    Mutation(
        "what an operator knew of is asked once more a day later",
        "app/reconciler/vain_callbacks.py",
        "if task_id in sent.speaking and not",
        "if not",
        (LATE_CALLBACKS,),
    ),
    Mutation(
        "trouble with CloudPress hides what needs no request",
        "app/states/rechecking.py",
        "    if rechecked.called_back or _is_called_back_after_its_end(order):\n",
        "    if not trouble and (rechecked.called_back or _is_called_back_after_its_end(order)):\n",
        (LATE_CALLBACKS,),
    ),
    Mutation(
        "a task that cannot be read hides the late look",
        "app/reconciler/duplicates.py",
        "    if error is None or may_go_on(this, error):\n",
        "    if error is None:\n",
        (LATE_CALLBACKS,),
    ),
)
