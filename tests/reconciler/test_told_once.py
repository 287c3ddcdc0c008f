"""What CloudPress tells now and then is told once, to applications and to persons."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from app.cloudpress import Answer, NotFound, OrderDetails, Refused, TaskRef
from app.events.timeline import Actor
from app.orders.requests import request_refresh
from tests.reconciler.scripted import ACCOUNT, DAY, GRACE_SECONDS, HOUR, LOST, Bench, ScriptedCloudPress
from tests.reconciler.test_flapping import Forgetful
from tests.reconciler.test_mixed_up_answers import call_back

ADDRESS = "https://pay.example/1"
MANY = 5000
World = Callable[[Bench], Awaitable[None]]


class PayableNowAndThen(ScriptedCloudPress):
    """Asks for a payment in each second look, at the same address, and in the others for none."""

    looks = 0
    addresses: Callable[[int], str] = staticmethod(lambda _look: ADDRESS)

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        self.looks += 1
        url = self.addresses(self.looks) if self.looks % 2 else None
        self.tell(order_id, payment_url=url, asks_for_payment=url is not None)
        return await super().order(order_id, timeout_seconds=timeout_seconds)


async def test_a_payment_that_is_awaited_now_and_then_is_told_once(bench: Bench) -> None:
    cloudpress = bench.use(PayableNowAndThen(bench.clock))
    order_id = await bench.order()
    await bench.work()
    await bench.work_for(DAY)
    assert cloudpress.looks > 10
    [told] = await bench.events(order_id, "order.payment_required")
    assert (told.shown or {})["payment_url"] == ADDRESS


async def test_another_address_of_a_payment_that_is_awaited_anew_is_told(bench: Bench) -> None:
    cloudpress = bench.use(PayableNowAndThen(bench.clock))
    order_id = await bench.order()
    await bench.work()
    await bench.work_for(DAY / 2)
    cloudpress.addresses = lambda _look: "https://pay.example/2"
    await bench.work_for(DAY / 2)
    told = await bench.events(order_id, "order.payment_required")
    assert [(event.shown or {})["payment_url"] for event in told] == [ADDRESS, "https://pay.example/2"]


async def test_an_address_that_is_no_page_is_told_of_once(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    for _ in range(10):
        for odd in ("/checkout", None):
            bench.cloudpress.tell("cp-1", odd_payment_url=odd, asks_for_payment=odd is not None)
            await bench.work_for(HOUR)
    assert len(await bench.events(order_id, "order.payment_required")) == 1


async def odd_payment(bench: Bench) -> None:
    bench.cloudpress.tell("cp-1", odd_payment_url="/checkout", asks_for_payment=True)
    bench.cloudpress.script["task 1"] = [None, NotFound(404)] * MANY


async def odd_payment_of_a_missing_order(bench: Bench) -> None:
    bench.cloudpress.tell("cp-1", odd_payment_url="/checkout", asks_for_payment=True)
    bench.cloudpress.script["order"] = [None, NotFound(404)] * MANY


async def foreign(bench: Bench) -> None:
    await bench.order("Other")
    await bench.work()
    linked = (TaskRef(id=1, status="RUNNING"), TaskRef(id=2, status="RUNNING"))
    bench.cloudpress.tell("cp-1", tasks=linked)
    bench.cloudpress.script["task 2"] = [None, None, NotFound(404), NotFound(404)] * MANY


@pytest.mark.parametrize("world", [odd_payment, odd_payment_of_a_missing_order, foreign])
async def test_a_404_now_and_then_has_nothing_asked_anew(bench: Bench, world: World) -> None:
    order_id = await bench.order()
    await bench.work()
    await world(bench)
    await bench.skim(3 * DAY)
    assert (await bench.read(order_id)).attention_code is not None
    assert len(await bench.events(order_id, "order.needs_attention")) == 1


async def test_a_payment_page_that_can_be_used_by_now_is_asked_about_no_more(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    await odd_payment(bench)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == "payment_url_unusable"
    bench.cloudpress.script["task 1"] = [NotFound(404)] * MANY
    bench.cloudpress.tell("cp-1", odd_payment_url=None, payment_url=ADDRESS)
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code is None


async def test_one_that_may_be_either_of_two_is_told_once_of_each(bench: Bench) -> None:
    bench.use(Forgetful(bench.clock))
    bench.cloudpress.script["place"] = [LOST, LOST]
    orders = [await bench.order(), await bench.order()]
    await bench.work()
    bench.cloudpress.land("Shop")
    await bench.work_for(DAY / 2)
    for order_id in orders:
        codes = {it.data["code"] for it in await bench.events(order_id, "order.attention_started")}
        assert codes >= {"placement_ambiguous", "placement_suspected"}, "it was told now so, now otherwise"
        assert len(await bench.events(order_id, "order.needs_attention")) == 1


async def test_another_that_may_be_it_is_told(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    nameless, *twins = [bench.cloudpress.land("Shop") for _ in range(3)]
    bench.cloudpress.tell(nameless, site=None)
    bench.cloudpress.hides = lambda it: it in twins
    await bench.work_for(2 * GRACE_SECONDS)
    assert (await bench.read(order_id)).attention_code == "placement_suspected"
    bench.cloudpress.hides = lambda _it: False
    await bench.work_for(2 * HOUR)
    order = await bench.read(order_id)
    assert order.attention_code == "placement_ambiguous"
    told = await bench.events(order_id, "order.needs_attention")
    assert [twins[0] in (event.shown or {})["attention"]["detail"] for event in told] == [False, True]


REFUSED = Refused(403, ("no",), is_own_form=True)


@pytest.mark.parametrize("pays", [False, True])
async def test_a_refusal_now_and_then_is_told_once(bench: Bench, *, pays: bool) -> None:
    """As where one of CloudPress's machines has an old list of who may ask."""
    order_id = await bench.order()
    await bench.work()
    if pays:
        bench.cloudpress.tell("cp-1", payment_url=ADDRESS, asks_for_payment=True)
    bench.cloudpress.script["order"] = [None, REFUSED] * MANY
    await bench.work_for(DAY)
    flips = await bench.events(order_id, "order.attention_started")
    assert len([it for it in flips if it.data["code"] == "credentials_refused"]) > 10
    assert len(await bench.events(order_id, "order.needs_attention")) == 1


async def test_two_refusals_in_turns_are_told_once_each(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [REFUSED, None, Refused(401), None] * MANY
    await bench.work_for(DAY)
    assert len(await bench.events(order_id, "order.needs_attention")) == 2


async def test_a_refusal_of_a_look_that_was_asked_for_is_told_once(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [REFUSED]
    await bench.work_for(HOUR)
    for _ in range(3):
        await request_refresh(bench.db, order_id, by=Actor("Ann"))
        bench.cloudpress.script["order"] = [REFUSED]
        await bench.work_for(HOUR)
    assert len(await bench.events(order_id, "order.needs_attention")) == 1


async def test_what_was_mended_for_hours_and_fails_again_is_told_again(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    for _ in range(2):
        bench.cloudpress.script["order"] = [REFUSED]
        await bench.work_for(12 * HOUR)
        assert (await bench.read(order_id)).attention_code is None
    assert len(await bench.events(order_id, "order.needs_attention")) == 2


async def codes_told(bench: Bench, order_id: UUID) -> list[str]:
    """Return what applications were told that a person is asked about an order."""
    told = await bench.events(order_id, "order.needs_attention")
    return [(event.shown or {})["attention"]["code"] for event in told]


async def test_what_was_asked_is_not_asked_anew_whenever_a_token_returns(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.land("A stranger's")
    await bench.work_for(2 * GRACE_SECONDS)
    for _ in range(2):
        bench.accounts.clear()
        await bench.work_for(6 * HOUR)
        assert (await bench.read(order_id)).attention_code == "account_unknown"
        bench.accounts.add(ACCOUNT)
        await bench.work_for(6 * HOUR)
        assert (await bench.read(order_id)).attention_code == "placement_suspected"
    told = await codes_told(bench, order_id)
    assert [code for code in told if code != "account_unknown"] == ["placement_suspected"]


async def test_what_had_gone_before_a_token_did_is_told_again(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [REFUSED]
    await bench.work_for(6 * HOUR)
    bench.accounts.clear()
    await bench.work_for(HOUR)
    bench.accounts.add(ACCOUNT)
    await bench.work_for(HOUR)
    bench.cloudpress.script["order"] = [REFUSED]
    await bench.work_for(HOUR)
    told = await codes_told(bench, order_id)
    assert told == ["credentials_refused", "account_unknown", "credentials_refused"]


async def test_what_was_gone_when_the_token_returned_is_told_again_hours_later(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [REFUSED] * MANY
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).attention_code == "credentials_refused"
    bench.accounts.clear()
    await bench.work_for(HOUR)
    bench.accounts.add(ACCOUNT)
    bench.cloudpress.script["order"] = []
    await bench.work_for(6 * HOUR)
    assert (await bench.read(order_id)).attention_code is None
    bench.cloudpress.script["order"] = [REFUSED]
    await bench.work_for(HOUR)
    told = await codes_told(bench, order_id)
    assert told == ["credentials_refused", "account_unknown", "credentials_refused"]


async def test_what_is_asked_after_an_operators_word_is_told_again(bench: Bench) -> None:
    """It is the same sentence about another attempt."""
    bench.cloudpress.script["place"] = [LOST, LOST]
    order_id = await bench.order()
    await bench.work()
    await bench.work_for(2 * GRACE_SECONDS)
    [told] = await bench.events(order_id, "order.needs_attention")
    await bench.say(order_id, "place_again", by=Actor("Ann"))
    await bench.work_for(2 * GRACE_SECONDS)
    assert bench.cloudpress.count("place") == 2
    [first, second] = await bench.events(order_id, "order.needs_attention")
    assert first.id == told.id
    details = [((it.shown or {})["attention"] or {})["detail"] for it in (first, second)]
    assert details[0] == details[1]


class LinksNowAndThen(ScriptedCloudPress):
    """Lists another order's task among those of `cp-2` in each second look."""

    looks = 0

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        found = await super().order(order_id, timeout_seconds=timeout_seconds)
        self.looks += order_id == "cp-2"
        if order_id != "cp-2" or self.looks % 2 == 0:
            return found
        tasks = (*found.value.tasks, TaskRef(id=1, status="OK"))
        return Answer(found.value.model_copy(update={"tasks": tasks}), b"{}", found.date)


async def test_a_foreign_link_that_is_shown_now_and_then_is_told_once(bench: Bench) -> None:
    cloudpress = bench.use(LinksNowAndThen(bench.clock))
    await bench.order("Before")
    await bench.work()
    cloudpress.end("cp-1", "OK")
    await bench.work_for(60)
    order_id = await bench.order("Shop")
    await bench.work()
    await bench.work_for(6 * HOUR)
    told = await bench.events(order_id, "order.needs_attention")
    assert len(told) == 1


async def test_a_refusal_that_comes_back_soon_and_lasts_is_told(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [REFUSED]
    await bench.work_for(2 * HOUR)
    assert (await bench.read(order_id)).attention_code is None
    assert len(await bench.events(order_id, "order.needs_attention")) == 1
    bench.cloudpress.script["order"] = [REFUSED] * 5000
    await bench.work_for(3 * DAY)
    assert (await bench.read(order_id)).attention_code == "credentials_refused"
    assert len(await bench.events(order_id, "order.needs_attention")) == 2


async def test_a_word_is_not_forgotten_behind_what_flaps(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST, LOST]
    order_id = await bench.order()
    await bench.work()
    await bench.work_for(2 * GRACE_SECONDS)
    assert len(await bench.events(order_id, "order.needs_attention")) == 1
    await bench.say(order_id, "place_again", by=Actor("Ann"))
    await bench.work_for(60)
    assert bench.cloudpress.count("place") == 2
    for _ in range(12):
        bench.cloudpress.script["orders"] = [REFUSED]
        await request_refresh(bench.db, order_id, by=Actor("Ann"))
        await bench.work_for(60)
    await bench.work_for(DAY)
    events = await bench.events(order_id, "order.needs_attention")
    told = [(it.shown or {})["attention"]["code"] for it in events]
    assert (await bench.read(order_id)).attention_code == "placement_unconfirmed"
    assert told.count("placement_unconfirmed") == 2, told


async def test_each_double_is_told_also_beyond_those_that_are_named(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await call_back(bench, order_id, 1)
    await bench.work_for(60)
    for number in range(2, 9):
        bench.cloudpress.land("Shop")
        await call_back(bench, order_id, number)
        await bench.work_for(60)
    told = await bench.events(order_id, "order.needs_attention")
    assert len((await bench.read(order_id)).suspected_duplicates or ()) == 7
    assert len(told) == 7
