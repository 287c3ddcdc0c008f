"""Ends a placed order by an operator's word, if a person would still be asked about it."""

from dataclasses import replace

from app.db.lasting import moment
from app.orders.shown import is_failed_by_operator
from app.orders.spoken import waited
from app.queue import leases
from app.reconciler.concluding import apply
from app.reconciler.holding_back import seen_by_now
from app.reconciler.passes import Pass, PassResult
from app.reconciler.writing import Held
from app.states import GivenUp, Observation, Rechecked, Seen


async def give_up_placed(this: Pass, observation: Seen | Rechecked) -> PassResult | None:
    """Have an order fail, or the word end, by what CloudPress shows of it.

    Where there was news while the pass looked, or CloudPress told nothing, the word waits for the next pass.
    A word about what is replaced ends with that. (`keeping`)
    """
    return await this.write(lambda held: _write(this, held, observation))


async def give_up_unseen(this: Pass) -> PassResult | None:
    """Have such an order fail of which nothing can be asked any more: no token of its account is known."""
    return await this.write(lambda held: _write_unseen(this, held))


async def _write(this: Pass, held: Held, observation: Seen | Rechecked) -> PassResult:
    observation = await seen_by_now(this, held, observation)
    if held.order.wakes == this.claim.wakes and not this.has_found_another:
        observation = replace(observation, given_up=_word(held))
    return await _apply(this, held, "observe", observation)


async def _write_unseen(this: Pass, held: Held) -> PassResult | None:
    if held.order.wakes != this.claim.wakes:
        leases.release(held.tx, held.order, this.claim, held.tx.now)  # its account may be there again
        return None
    return await _apply(this, held, "resolve", _word(held))


async def _apply(this: Pass, held: Held, action: str, observation: Observation) -> PassResult:
    """Overrule the callbacks that an operator knew of whose word fails the order: any other one is told."""
    order, known = held.order, (held.order.resolution or {}).get("callbacks", 0)
    result = await apply(this, held, action, observation)
    if is_failed_by_operator(order):
        oldest_first = (await held.loaded.callbacks(order.id))[::-1]
        for callback in oldest_first[:known]:
            callback.overruled_at = callback.overruled_at or held.tx.now
    return result


def _word(held: Held) -> GivenUp:
    said, tx = held.order.resolution or {}, held.tx
    return GivenUp(
        said["by"],
        was_sent=True,
        about=said.get("about"),
        waited=waited(held.order, moment(tx)),
    )
