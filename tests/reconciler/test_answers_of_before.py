"""An order is not young because something between us tells of it as it was, with the time of then."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.cloudpress import Answer, OrderDetails
from tests.reconciler.scripted import HOUR, LOST, Bench, ScriptedCloudPress
from tests.reconciler.test_mixed_up_answers import call_back


class Cached(ScriptedCloudPress):
    """Shows one order as a cache has kept it since soon after it was made, with the `Date` of then."""

    cached = ""

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        answer = await super().order(order_id, timeout_seconds=timeout_seconds)
        made = answer.value.created_at
        if order_id != self.cached or made is None:
            return answer
        return replace(answer, date=made + timedelta(seconds=5))


async def with_an_older_one_of_its_name(bench: Bench, age: timedelta, *, is_cached: bool) -> str:
    """Have another customer's order of the same name be there, which was made by hand."""
    cloudpress = bench.use(Cached(bench.clock))
    older = cloudpress.land("Shop")
    bench.clock.time += age
    cloudpress.cached = older if is_cached else ""
    cloudpress.script["place"] = [None, LOST]
    return older


@pytest.mark.parametrize("is_cached", [False, True])
async def test_a_look_up_takes_none_that_is_older(bench: Bench, *, is_cached: bool) -> None:
    older = await with_an_older_one_of_its_name(bench, timedelta(hours=20), is_cached=is_cached)
    order_id = await bench.order_among_others()
    await bench.work_for(3 * HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != older, order.cloudpress_order_id_source


@pytest.mark.parametrize("is_cached", [False, True])
async def test_a_callback_leads_to_none_that_is_older(bench: Bench, *, is_cached: bool) -> None:
    older = await with_an_older_one_of_its_name(bench, timedelta(days=20), is_cached=is_cached)
    order_id = await bench.order_among_others()
    await call_back(bench, order_id, 1)  # whoever knows the secret chooses the number
    await bench.work_for(3 * HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id != older, order.cloudpress_order_id_source
