"""What the order's own task names beside it may be a second purchase: a person is told, and only then."""

from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import CloudPressError, Refused
from app.db.models import Order
from app.events.timeline import Actor
from tests.reconciler.scripted import Bench
from tests.reconciler.test_anothers_answers import DAY, HOUR, before
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_names_that_come_late import change_task, lost


async def own(bench: Bench, *, is_answered: bool = True) -> UUID:
    """Have an order be made as `cp-2`, after one that went well."""
    await before(bench)
    if not is_answered:
        return await lost(bench, "Shop", lands=True)
    order_id = await bench.order("Shop")
    await bench.work()
    return order_id


async def ended(bench: Bench, order_id: UUID, *, is_called_back: bool) -> Order:
    """End the order's task, let a day pass, and return the order."""
    bench.cloudpress.end("cp-2", "OK")
    if is_called_back:
        await call_back(bench, order_id, 2)
    await bench.work_for(DAY)
    order = await bench.read(order_id)
    assert (order.status, order.cloudpress_order_id) == ("completed", "cp-2")
    return order


@pytest.mark.parametrize("is_called_back", [True, False])
@pytest.mark.parametrize("is_answered", [True, False])
async def test_a_twin_is_told(bench: Bench, *, is_answered: bool, is_called_back: bool) -> None:
    order_id = await own(bench, is_answered=is_answered)
    bench.cloudpress.land("Shop")
    change_task(bench, 2, order_ids=("cp-2", "cp-3"))
    order = await ended(bench, order_id, is_called_back=is_called_back or not is_answered)
    assert (order.attention_code, order.suspected_duplicates) == ("suspected_duplicate", ["cp-3"])


@pytest.mark.parametrize("failure", [Refused(500, ()), CloudPressError("broken", kind="timeout")])
async def test_one_that_cannot_be_read_is_told(bench: Bench, failure: Exception) -> None:
    order_id = await own(bench)
    bench.cloudpress.land("Shop")
    change_task(bench, 2, order_ids=("cp-2", "cp-3"))
    plain = bench.cloudpress.order

    async def show(asked: str, **more: Any) -> Any:
        if asked == "cp-3":
            raise failure
        return await plain(asked, **more)

    bench.cloudpress.order = show  # type: ignore[assignment, method-assign]
    assert (await ended(bench, order_id, is_called_back=True)).suspected_duplicates == ["cp-3"]


async def test_one_that_differs_or_is_not_there_or_is_another_orders_is_not_told(bench: Bench) -> None:
    order_id = await own(bench)
    bench.cloudpress.land("Other")
    change_task(bench, 2, order_ids=("cp-1", "CP-2", "cp-2", "cp-3", "cp-9"))
    order = await ended(bench, order_id, is_called_back=True)
    assert (order.attention_code, order.suspected_duplicates) == (None, None)


async def test_what_was_dismissed_is_not_told_again(bench: Bench) -> None:
    order_id = await own(bench)
    bench.cloudpress.land("Shop")
    change_task(bench, 2, order_ids=("cp-2", "cp-3"))
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == ["cp-3"]
    await bench.say(order_id, "dismiss_duplicates", by=Actor("operator"))
    order = await ended(bench, order_id, is_called_back=False)
    assert (order.attention_code, order.settled_duplicates) == (None, ["cp-3"])


@pytest.mark.parametrize("first", [3, 4])
async def test_what_one_task_tells_against_it_counts_where_another_names_it_too(
    bench: Bench, first: int
) -> None:
    """Two tasks name a stranger's order that looks like ours; one of them tells another account."""
    await before(bench)
    order_id = await lost(bench, "Shop", lands=False)
    bench.cloudpress.land("Shop")
    bench.cloudpress.land("Else")
    change_task(bench, 2, order_ids=("cp-2",))
    change_task(bench, 3, order_ids=("cp-2",), account_ids=("another",))
    for task_id in (2, 3) if first == 3 else (3, 2):
        await call_back(bench, order_id, task_id)
        bench.clock.step(1)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id is None
    assert "cp-2" in (order.attention_detail or "")
