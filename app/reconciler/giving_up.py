"""Ends a placed order by an operator's word, if a person would still be asked about it."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from app.orders.shown import is_failed_by_operator
from app.queue import leases
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
    return await this.write(lambda held: _write_unseen(this, held))


async def _write(this: Pass, held: Held, observation: Seen | Rechecked) -> PassResult:
    word = held.order.resolution or {}
    if held.order.wakes == this.claim.wakes:
        observation = replace(observation, given_up=_word(held))
    result = await apply(this, held, "observe", observation)
    await _overrule_earlier(held, word)
    return result


async def _write_unseen(this: Pass, held: Held) -> PassResult | None:
    word = held.order.resolution or {}
    if held.order.wakes != this.claim.wakes:
        leases.release(held.tx, held.order, this.claim, held.tx.now)  # its account may be there again
        return None
    result = await apply(this, held, "resolve", _word(held))
    await _overrule_earlier(held, word)
    return result


async def _overrule_earlier(held: Held, word: dict[str, Any]) -> None:
    """Overrule the callbacks of before the word that has failed an order: whichever comes later is told."""
    if not is_failed_by_operator(held.order) or "at" not in word:
        return
    said_at = datetime.fromisoformat(word["at"])
    for callback in await held.loaded.callbacks(held.order.id):
        if callback.overruled_at is None and callback.first_received_at < said_at:
            callback.overruled_at = held.tx.now


def _word(held: Held) -> GivenUp:
    word = held.order.resolution or {}
    said_at = datetime.fromisoformat(word["at"]) if "at" in word else None
    return GivenUp(word["by"], was_sent=True, said_at=said_at)
