"""What a cache tells with the time of then is as old as it is, also where a pass has asked nothing fresh."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.cloudpress import Refused
from tests.reconciler.scripted import HOUR, Bench
from tests.reconciler.test_answers_of_before import with_an_older_one_of_its_name
from tests.reconciler.test_mixed_up_answers import call_back


@pytest.mark.parametrize("is_cached", [False, True])
async def test_a_look_up_that_goes_on_in_another_pass_takes_none_that_is_older(
    bench: Bench, *, is_cached: bool
) -> None:
    """The cached answer is the first that the next pass gets."""
    older = await with_an_older_one_of_its_name(bench, timedelta(hours=20), is_cached=is_cached)
    order_id = await bench.order_among_others()
    plain, asked_for = bench.cloudpress.order, list[str]()

    async def fails_first(asked: str, **more: Any) -> Any:
        if asked == older:
            asked_for.append(asked)
            if len(asked_for) % 2:
                raise Refused(500)
        return await plain(asked, **more)

    bench.cloudpress.order = fails_first  # type: ignore[assignment,method-assign]
    await bench.work_for(3 * HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != older, order.cloudpress_order_id_source


async def test_a_callback_leads_to_none_that_is_older_where_its_task_is_cached_too(bench: Bench) -> None:
    """Then nothing fresh was told in the pass."""
    older = await with_an_older_one_of_its_name(bench, timedelta(days=20), is_cached=True)
    made_at = bench.cloudpress.orders_made[older].created_at
    assert made_at is not None
    plain = bench.cloudpress.task

    async def cached(task_id: int, **more: Any) -> Any:
        answer = await plain(task_id, **more)
        return replace(answer, date=made_at + timedelta(seconds=4)) if task_id == 1 else answer

    bench.cloudpress.task = cached  # type: ignore[method-assign]
    order_id = await bench.order_among_others()
    await call_back(bench, order_id, 1)  # whoever knows the secret chooses the number
    await bench.work_for(3 * HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != older, order.cloudpress_order_id_source
