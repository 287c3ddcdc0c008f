"""What becomes of a placed order that may never go on, and that an operator fails."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from app.accounts.store import UnknownAccountError
from app.cloudpress import NotFound, Refused, SiteRef, TaskRef
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from app.orders.requests import request_cancel, request_refresh
from app.orders.resolving import NotResolvableError
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import DAY, HOUR, Bench
from tests.reconciler.test_attacks import ROSA
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_resolvable import IMPOSSIBLE, MANY, lost_at_cloudpress
from tests.reconciler.test_what_was_shown import look

World = Callable[[Bench], Awaitable[None]]


async def account_unknown(bench: Bench) -> None:
    bench.accounts.clear()


async def credentials_refused(bench: Bench) -> None:
    for request in ("order", "task", "cancel", "orders"):
        bench.cloudpress.script[request] = [Refused(403, ("closed",), is_own_form=True)] * MANY


async def unanswered(bench: Bench) -> None:
    bench.cloudpress.script["order"] = [Refused(500)] * MANY


async def site_missing(bench: Bench) -> None:
    bench.cloudpress.end("cp-1", "OK")
    bench.cloudpress.tell("cp-1", site=None)
    bench.cloudpress.tasks[1] = bench.cloudpress.tasks[1].model_copy(update={"site_ids": ()})


async def foreign_link(bench: Bench) -> None:
    """Have it link another order's task, and then be deleted: a 404 takes nothing of that back."""
    await bench.order("Other")
    await bench.work()
    bench.cloudpress.tell("cp-1", tasks=(TaskRef(id=1, status="RUNNING"), TaskRef(id=2, status="RUNNING")))
    await bench.work_for(HOUR)
    for request in ("order", "task", "cancel"):
        bench.cloudpress.script[request] = [NotFound(404)] * MANY


WORLDS = (account_unknown, credentials_refused, unanswered, site_missing, foreign_link)


async def stuck(bench: Bench, world: World) -> UUID:
    """Have an order be placed and then never go on, until a person is asked."""
    order_id = await bench.order()
    await bench.work()
    await world(bench)
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("provisioning", world.__name__)
    return order_id


@pytest.mark.parametrize("world", WORLDS)
async def test_what_will_never_go_on_can_be_failed(bench: Bench, world: World) -> None:
    order_id = await stuck(bench, world)
    assert "fail" in ((await bench.read(order_id)).attention_detail or "") or world is credentials_refused
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    await bench.skim(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.error_code) == ("failed", "failed_by_operator")
    assert order.resolution is None
    assert not await bench.events(order_id, IMPOSSIBLE)


@pytest.mark.parametrize("world", WORLDS)
async def test_what_goes_on_after_all_does_not_fail(bench: Bench, world: World) -> None:
    """CloudPress finishes it between the operator's look and the next one of the service."""
    accounts = set(bench.accounts)
    order_id = await stuck(bench, world)
    bench.accounts.update(accounts)
    bench.cloudpress.script.clear()
    bench.cloudpress.tell("cp-1", site=SiteRef(id="site-1", name="Shop"))
    bench.cloudpress.tasks[1] = bench.cloudpress.tasks[1].model_copy(update={"site_ids": ("site-1",)})
    bench.cloudpress.end("cp-1", "OK")
    await bench.say(order_id, "fail", by=ROSA)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code, order.resolution) == ("completed", None, None)
    assert len(await bench.events(order_id, IMPOSSIBLE)) == 1


async def test_what_only_waits_cannot_be_failed(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    with pytest.raises(NotResolvableError):
        await bench.say(order_id, "fail", by=ROSA)


async def test_a_word_does_not_wait_for_ever_where_cloudpress_tells_nothing_any_more(bench: Bench) -> None:
    order_id = await lost_at_cloudpress(bench)
    await bench.say(order_id, "fail", by=ROSA)
    bench.cloudpress.script["order"] = [Refused(500)] * MANY
    await bench.skim(DAY / 2)
    assert (await bench.read(order_id)).resolution is not None
    await bench.skim(DAY)
    order = await bench.read(order_id)
    assert (order.status, order.error_code, order.resolution) == ("failed", "failed_by_operator", None)


@pytest.mark.parametrize("world", [unanswered, foreign_link])
async def test_what_cloudpress_finishes_after_it_was_failed_is_told(bench: Bench, world: World) -> None:
    order_id = await stuck(bench, world)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    await bench.skim(2 * DAY)
    assert (await bench.read(order_id)).attention_code is None
    bench.cloudpress.script.clear()
    bench.cloudpress.end("cp-1", "OK")
    await record_callback(bench.db, order_id, b'{"task": {"id": 1}}')
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("failed", "placement_called_back")
    assert "Look at cp-1 there" in (order.attention_detail or "")
    assert len(await bench.events(order_id, "order.needs_attention")) == 2, "it is told once"
    await dismiss_duplicates(bench.db, order_id, by=ROSA, shown=await look(bench, order_id))
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code, order.due_at) == ("failed", None, None)


@pytest.mark.parametrize("stepped", [0, -HOUR, HOUR])
async def test_a_callback_that_comes_after_the_word_to_fail_and_before_it_is_done_is_told(
    bench: Bench, stepped: float
) -> None:
    order_id = await stuck(bench, unanswered)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    bench.clock.step(stepped)
    bench.cloudpress.end("cp-1", "OK")
    await call_back(bench, order_id, 1)
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) != ("failed", None), "CloudPress has finished it"


async def finished_without_a_site(bench: Bench) -> UUID:
    """Have CloudPress show it, finished and without a site, at each look; a callback's other task fails."""
    order_id = await stuck(bench, site_missing)
    bench.cloudpress.script["task 9"] = [Refused(500)] * MANY
    await call_back(bench, order_id, 9)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == "site_missing"
    return order_id


async def gone_and_not_to_be_cancelled(bench: Bench) -> UUID:
    """Have it be answered for with 404, and the request to cancel it with 500, for ever."""
    order_id = await lost_at_cloudpress(bench)
    bench.cloudpress.script["cancel"] = [Refused(500)] * MANY
    await request_cancel(bench.db, order_id, by=ROSA)
    await bench.skim(3 * DAY)
    assert (await bench.read(order_id)).attention_code == "not_found"
    return order_id


@pytest.mark.parametrize("never", [finished_without_a_site, gone_and_not_to_be_cancelled])
async def test_a_word_to_fail_has_an_end_where_one_of_the_requests_always_fails(
    bench: Bench, never: Callable[[Bench], Awaitable[UUID]]
) -> None:
    order_id = await never(bench)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    await bench.skim(30 * DAY)
    order = await bench.read(order_id)
    assert order.resolution is None, (order.status, order.attention_code)


async def test_what_cloudpress_shows_well_is_not_told_and_failed_as_unanswered(bench: Bench) -> None:
    """The end user has yet to pay, as each look shows; that a callback's other task fails says no more."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.tell("cp-1", payment_url="https://pay.test/1", status="awaiting_payment")
    await bench.work_for(HOUR)
    bench.cloudpress.script["task 9"] = [Refused(500)] * MANY
    await call_back(bench, order_id, 9)
    await bench.skim(3 * DAY)
    told = (await bench.read(order_id)).attention_detail or ""
    with suppress(NotResolvableError):
        await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.status == "awaiting_payment", (order.payment_url, told)
    assert "what became of it is not known" not in told


async def test_what_is_cancelled_there_after_it_was_failed_is_not_told_as_going_on(bench: Bench) -> None:
    order_id = await stuck(bench, unanswered)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    await bench.skim(DAY)
    assert (await bench.read(order_id)).status == "failed"
    bench.cloudpress.script.clear()
    bench.cloudpress.end("cp-1", "CANCELLED")  # the operator's own doing, in CloudPress
    bench.cloudpress.tell("cp-1", status="cancelled")
    await record_callback(bench.db, order_id, b'{"task": {"id": 1, "status": "CANCELLED"}}')
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert "seems to go on with it" not in (order.attention_detail or "")


@pytest.mark.parametrize("stepped", [0, -HOUR])
async def test_what_it_was_called_back_for_before_the_word_is_no_news_after_it(
    bench: Bench, stepped: float
) -> None:
    order_id = await bench.order()
    await bench.work()
    await unanswered(bench)
    await bench.skim(3 * DAY)
    await call_back(bench, order_id, 1)
    await bench.work_for(HOUR)
    bench.clock.step(stepped)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    await bench.skim(3 * DAY)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("failed", None)


async def refused_and_to_fail(bench: Bench) -> UUID:
    """Have an operator fail an order whose token is not taken."""
    order_id = await stuck(bench, credentials_refused)
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    return order_id


async def outlives_one_failure(bench: Bench, order_id: UUID, failure: Refused, *requests: str) -> None:
    """Have CloudPress take the token again, have finished the order, and be away for one look at it."""
    bench.cloudpress.script.clear()
    bench.cloudpress.end("cp-1", "OK")
    for request in requests:
        bench.cloudpress.script[request] = [failure]
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.status == "completed", (order.status, order.error_code)


@pytest.mark.parametrize("stepped", [0, 2 * DAY])
@EVERY_LOOK
async def test_a_failure_says_nothing_of_a_refusal_and_fails_no_order_by_it(
    bench: Bench, stepped: float
) -> None:
    order_id = await refused_and_to_fail(bench)
    bench.clock.step(stepped)
    await outlives_one_failure(bench, order_id, Refused(500), "order", "task")


async def test_a_token_that_comes_while_a_pass_misses_it_has_the_word_wait_for_a_look(bench: Bench) -> None:
    """Its account was stored again, and the order asked for, between the pass's look for it and its end."""
    order_id = await stuck(bench, account_unknown)
    bench.cloudpress.end("cp-1", "OK")
    await bench.say(order_id, "fail", by=ROSA, shown=await look(bench, order_id))
    plain = bench.dependencies.providers

    async def meanwhile(account_id: str) -> Any:
        try:
            return await plain(account_id)
        except UnknownAccountError:
            bench.accounts.add(account_id)
            await request_refresh(bench.db, order_id, by=ROSA)
            raise

    bench.set(providers=meanwhile)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.status == "completed", (order.status, order.error_code)
