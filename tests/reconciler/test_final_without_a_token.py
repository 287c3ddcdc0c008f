"""What is left of a final order is not lost while its account's token is not known."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from app.accounts.store import AccountChange, store_account
from app.maintenance.retention import Pruner
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import ACCOUNT, DAY, HOUR, LOST, Bench
from tests.reconciler.test_called_back_after_the_end import (
    CALLED_BACK,
    ENDS,
    ROSA,
    called_back,
    doubled_late,
    given_up,
)

End = Callable[[Bench], Awaitable[UUID]]
NO_TOKEN = "account_unknown"
TASK_2 = b'{"task": {"id": 2}}'


async def completed(bench: Bench) -> UUID:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"
    return order_id


async def with_its_token_again(bench: Bench) -> UUID:
    """A completed order that was called back about a duplicate while there was no token, as there is now."""
    order_id = await completed(bench)
    bench.cloudpress.land("Shop")
    bench.accounts.clear()
    assert await called_back(bench, order_id, TASK_2) == NO_TOKEN
    bench.accounts.add(ACCOUNT)
    return order_id


async def test_a_callback_of_its_own_task_needs_no_token(bench: Bench) -> None:
    order_id = await completed(bench)
    bench.accounts.clear()
    assert await called_back(bench, order_id, b'{"task": {"id": 1}}') is None
    assert (await bench.read(order_id)).due_at is None


@pytest.mark.parametrize("end", ENDS)
async def test_a_callback_that_names_no_task_needs_no_token(bench: Bench, end: End) -> None:
    order_id = await end(bench)
    await bench.work_for(6 * HOUR)
    assert (await bench.read(order_id)).attention_code is None
    bench.accounts.clear()
    assert await called_back(bench, order_id) == CALLED_BACK
    assert (await bench.read(order_id)).due_at is None
    bench.accounts.add(ACCOUNT)
    await bench.skim(DAY)
    assert (await bench.read(order_id)).attention_code == CALLED_BACK


@EVERY_LOOK
async def test_a_callback_for_what_was_never_bought_waits_for_the_token(bench: Bench) -> None:
    order_id = await given_up(bench)
    await bench.work_for(HOUR)
    bench.accounts.clear()
    assert await called_back(bench, order_id, b'{"task": {"id": 3}}') == NO_TOKEN
    bench.accounts.add(ACCOUNT)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == CALLED_BACK


@EVERY_LOOK
async def test_a_duplicate_of_a_completed_order_is_told_once_there_is_a_token(bench: Bench) -> None:
    order_id = await with_its_token_again(bench)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == "suspected_duplicate"


@EVERY_LOOK
async def test_a_suspected_duplicate_stays_told_and_its_end_is_seen_once_there_is_a_token(
    bench: Bench,
) -> None:
    order_id = await completed(bench)
    await record_callback(bench.db, order_id, b'{"task_id": 1}')  # so nothing can be mixed up
    double = bench.cloudpress.land("Shop")
    assert await called_back(bench, order_id, TASK_2) == "suspected_duplicate"
    bench.accounts.clear()
    await bench.skim(DAY)
    order = await bench.read(order_id)
    assert (order.attention_code, order.suspected_duplicates) == ("suspected_duplicate", [double])
    bench.cloudpress.end(double, "CANCELLED")
    bench.accounts.add(ACCOUNT)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.attention_code, order.due_at) == (None, None)


async def test_the_late_look_is_not_lost_with_a_token(bench: Bench) -> None:
    order_id, second = await doubled_late(bench)
    bench.accounts.clear()
    await bench.work_for(4 * HOUR)
    assert (await bench.read(order_id)).attention_code == NO_TOKEN
    bench.accounts.add(ACCOUNT)
    await bench.skim(DAY)
    assert (await bench.read(order_id)).suspected_duplicates == [second]


async def test_until_the_late_look_nobody_is_asked_for_a_token(bench: Bench) -> None:
    order_id, _ = await doubled_late(bench)
    bench.accounts.clear()
    await record_callback(bench.db, order_id, b"{}")
    await bench.work()
    order = await bench.read(order_id)
    assert (order.attention_code, order.due_at) == (None, order.late_look_at)


async def test_it_is_tried_less_and_less_often(bench: Bench) -> None:
    order_id, _ = await doubled_late(bench)
    bench.accounts.clear()
    await bench.work_for(12 * HOUR)
    order = await bench.read(order_id)
    assert order.due_at is not None
    assert (order.due_at - bench.clock.time) > timedelta(0)
    assert order.failures < 9 + 8 * 12, "at most once in five minutes by then"


async def test_a_token_that_is_stored_again_has_it_looked_at_at_once(bench: Bench) -> None:
    order_id = await with_its_token_again(bench)
    await store_account(bench.db, ACCOUNT, AccountChange(token="again"), by=ROSA)
    await bench.work()
    assert (await bench.read(order_id)).attention_code == "suspected_duplicate"


async def test_who_gives_up_an_account_dismisses_what_waits_for_its_token(bench: Bench) -> None:
    order_id, _ = await doubled_late(bench)
    bench.accounts.clear()
    await record_callback(bench.db, order_id, b'{"task": {"id": 9}}')
    await bench.work_for(6 * HOUR)
    assert (await bench.read(order_id)).attention_code == NO_TOKEN
    await dismiss_duplicates(bench.db, order_id, by=ROSA)
    await bench.skim(DAY)
    order = await bench.read(order_id)
    assert (order.attention_code, order.due_at, order.late_look_at) == (None, None, None)


async def test_what_waits_for_a_token_is_not_pruned(bench: Bench) -> None:
    order_id = await completed(bench)
    bench.accounts.clear()
    await called_back(bench, order_id, TASK_2)
    bench.clock.time += timedelta(days=2)
    assert (await Pruner(bench.db, days=1).prune()).cleared == 0
    await dismiss_duplicates(bench.db, order_id, by=ROSA)
    await bench.work_for(HOUR)
    assert (await Pruner(bench.db, days=1).prune()).cleared == 1


async def test_a_word_to_fail_needs_no_token(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work_for(2 * HOUR)
    bench.accounts.clear()
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("unconfirmed", NO_TOKEN)
    await bench.say(order_id, "fail", by=ROSA)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.error_code, order.attention_code) == ("failed", "failed_by_operator", None)
    assert order.due_at == order.late_look_at, "what a late request has made is looked for, once it can be"
