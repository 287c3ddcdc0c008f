"""What one step of a batch has recorded is known to the next step of the same batch."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from app.cloudpress import Answer, Placed
from app.events.timeline import Actor
from app.reconciler import intents, placing
from app.reconciler.answers import Posted, record_end
from app.reconciler.intents import Intent
from app.reconciler.passes import Pass
from app.states import PostEnded, PostOutcome
from tests.reconciler.scripted import HOUR, Bench
from tests.reconciler.test_unseen_news import suspected, told
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


@pytest.mark.parametrize("together", [False, True])
async def test_an_answer_that_is_written_right_before_an_intent_in_one_batch_is_heeded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, together: bool
) -> None:
    """It was dismissed, and is named now by a late answer: it is not bought again."""
    order_id = await suspected(bench)
    await bench.say(order_id, "dismiss_duplicates", by=BY, shown=await look(bench, order_id))
    seen: list[Any] = []
    is_first = True

    async def just_before(this: Pass) -> Any:
        if this.order.id != order_id or seen:
            return await intents.intend(this)
        of_before = Pass(this.dependencies, replace(this.claim, token=uuid4()))
        answer = Answer(Placed(order_id="cp-2"), b"{}", bench.cloudpress.now)
        posted = Posted(PostEnded(PostOutcome.PLACED, first=True), answer)
        late = asyncio.ensure_future(record_end(of_before, Intent(1, is_first, of_before.claim), posted))
        seen.append(late)
        await (asyncio.sleep(0) if together else late)
        intended = await intents.intend(this)
        await late
        return intended

    monkeypatch.setattr(placing, "intend", just_before)
    await bench.say(order_id, "place_again", by=BY, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    assert seen
    assert bench.cloudpress.count("place Shop") == 1, await told(bench, order_id)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"
