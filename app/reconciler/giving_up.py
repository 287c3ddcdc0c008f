"""Ends a placed order by an operator's word, if a person would still be asked about it."""

from dataclasses import replace

from app.reconciler.concluding import apply
from app.reconciler.passes import Pass, PassResult
from app.reconciler.writing import Held
from app.states import GivenUp, Rechecked, Seen


async def give_up_placed(this: Pass, observation: Seen | Rechecked) -> PassResult | None:
    """Have an order fail, or the word end, by what CloudPress shows of it.

    Where there was news while the pass looked, or CloudPress told nothing, the word waits for the next pass.
    """
    return await this.write(lambda held: _write(this, held, observation))


async def give_up_unseen(this: Pass) -> PassResult | None:
    """Have such an order fail of which nothing can be asked any more: no token of its account is known."""
    return await this.write(lambda held: apply(this, held, "resolve", _word(held)))


async def _write(this: Pass, held: Held, observation: Seen | Rechecked) -> PassResult:
    if held.order.wakes == this.claim.wakes:
        observation = replace(observation, given_up=_word(held))
    return await apply(this, held, "observe", observation)


def _word(held: Held) -> GivenUp:
    return GivenUp((held.order.resolution or {})["by"], was_sent=True)
