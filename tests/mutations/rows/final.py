"""Rules of what is left to do of an order that is final, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import FINAL_WITHOUT_A_TOKEN

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
        "and not (this.is_without_token and callback.overruled_at is not None)",
        "and True",
        (FINAL_WITHOUT_A_TOKEN,),
    ),
)
