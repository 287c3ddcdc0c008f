"""Ends an order that CloudPress had, and does not show any more, by an operator's word."""

from app.events.timeline import record
from app.events.types import EventType
from app.reconciler.concluding import apply
from app.reconciler.passes import Pass, PassResult
from app.reconciler.writing import Held
from app.states import GivenUp, Rechecked, Seen, shows_an_end


async def give_up_lost(this: Pass, observation: Seen | Rechecked) -> PassResult | None:
    """Have an order fail if CloudPress still does not show something of it; else the word ends.

    Where CloudPress tells nothing, or there was news while the pass looked, the word waits for the next pass.
    """
    return await this.write(lambda held: _write(this, held, observation))


async def give_up_unseen(this: Pass) -> PassResult | None:
    """Have such an order fail of which nothing can be asked any more: no token of its account is known."""
    return await this.write(lambda held: _write_failure(this, held))


async def _write_failure(this: Pass, held: Held) -> PassResult:
    held.findings.resolved = True
    word = held.order.resolution or {}
    return await apply(this, held, "resolve", GivenUp(word["by"], was_sent=True))


async def _write(this: Pass, held: Held, observation: Seen | Rechecked) -> PassResult:
    tx, order = held.tx, held.order
    is_told = not isinstance(observation, Seen) or observation.trouble is None
    if not is_told or order.wakes != this.claim.wakes:
        return await apply(this, held, "observe", observation)
    held.findings.resolved = True
    # What CloudPress shows as ended has not ended by this word, even if a task of it is not shown.
    if isinstance(observation, Seen) and observation.missing and not shows_an_end(observation):
        return await _write_failure(this, held)
    record(tx, order.id, EventType.RESOLUTION_IMPOSSIBLE)
    return await apply(this, held, "observe", observation)
