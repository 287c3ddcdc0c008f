"""A sought order's own callback names what another order was answered with: both are asked whose it is."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.cloudpress import Answer, NotFound, Refused, Task
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.erasing import erase_order
from app.orders.requests import request_cancel
from app.orders.resolving import NotResolvableError, request_resolution
from app.states import ErrorCode, OrderStatus
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_anothers_answers import answers, end
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")
SAME = ("Shop", "Shop")
OTHER = ("Rosa", "Ben")
TASK = 2


async def answered_with_hers(
    bench: Bench, names: tuple[str, str] = SAME, *, task: int = TASK
) -> tuple[UUID, UUID]:
    """Have Rosa's answer be lost, whose order is cp-2, and Ben's, whose is cp-3, name hers."""
    await bench.complete_one_before()
    answers(bench, LOST, ("cp-2", task))
    rosa, ben = await bench.order(names[0]), await bench.order(names[1])
    await bench.work()
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"
    return rosa, ben


def fail_once_listed(bench: Bench, failure: Exception | None, *, hours: float = 1) -> None:
    """Have her task be shown until a list is read, and then for some time be answered so."""
    cloudpress, until = bench.cloudpress, list[Any]()
    task, orders = cloudpress.task, cloudpress.orders

    async def listed(**given: Any) -> Any:
        until.append(bench.clock.time + timedelta(hours=hours))
        return await orders(**given)

    async def shown(task_id: int, **given: Any) -> Answer[Task]:
        if failure is not None and task_id == TASK and until and bench.clock.time < until[0]:
            raise failure.with_traceback(None)
        return await task(task_id, **given)

    cloudpress.orders, cloudpress.task = listed, shown  # type: ignore[method-assign]


FAILURES = [None, Refused(500), NotFound(404), Refused(403, ("no",), is_own_form=True), LOST]


@pytest.mark.parametrize("failure", FAILURES, ids=["shown", "500", "404", "403", "lost"])
@pytest.mark.parametrize("task", [2, 3])
async def test_she_does_not_take_by_her_name_what_her_callback_speaks_against(
    bench: Bench, failure: Exception | None, task: int
) -> None:
    """What it said is known on, also where its task is not shown any more, for longer than the grace."""
    rosa, ben = await answered_with_hers(bench, task=task)
    end(bench, "cp-2", "cp-3")
    await call_back(bench, rosa, TASK)
    fail_once_listed(bench, failure)
    for _ in range(18):
        await bench.work_for(600)
        order = await bench.read(rosa)
        assert order.cloudpress_order_id is None, await both(bench, rosa, ben)
    order = await bench.read(rosa)
    assert order.status == "unconfirmed"
    assert "cp-2" in (order.attention_detail or "")
    assert bench.cloudpress.count("place Shop") == 2


async def test_what_is_not_hers_is_not_cancelled_for_her(bench: Bench) -> None:
    rosa, ben = await answered_with_hers(bench)
    end(bench, "cp-2")
    await call_back(bench, rosa, TASK)
    fail_once_listed(bench, NotFound(404))
    await request_cancel(bench.db, rosa, by=Actor("Rosa"))
    await bench.work_for(3 * HOUR)
    assert bench.cloudpress.count("cancel") == 0, await both(bench, rosa, ben)


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("has_ended", [True, False])
@pytest.mark.parametrize("names", [OTHER, ("Rosa", "Rosa Two")])
async def test_both_are_asked_whose_it_is(
    bench: Bench, names: tuple[str, str], *, has_ended: bool, is_listed: bool
) -> None:
    """Whether her callback comes before he has ended or after it, and where its task alone tells."""
    rosa, ben = await answered_with_hers(bench, names, task=TASK if is_listed else 3)
    if not is_listed:
        bench.cloudpress.tell("cp-2", tasks=())
    if has_ended:
        end(bench, "cp-2")
        bench.cloudpress.tell("cp-2", status="completed")
        await bench.work_for(HOUR)
        assert (await bench.read(ben)).status == ("completed" if is_listed else "provisioning")
    await call_back(bench, rosa, TASK)
    await bench.work_for(2 * HOUR)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(2 * HOUR)
    hers, his = await bench.read(rosa), await bench.read(ben)
    assert "cp-2" in (hers.attention_detail or ""), await both(bench, rosa, ben)
    assert his.attention_code == "suspected_duplicate", await both(bench, rosa, ben)
    assert "cancel nothing before" in (his.attention_detail or "")
    assert has_ended or await bench.known_site(ben) is None
    assert len(await bench.events(ben, "order.needs_attention")) == 1 or not is_listed
    assert bench.cloudpress.count("cancel") == 0


async def test_nobody_pays_meanwhile_for_what_may_be_hers(bench: Bench) -> None:
    rosa, ben = await answered_with_hers(bench, OTHER)
    bench.cloudpress.tell("cp-2", payment_url="https://pay.test/rosa")
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).payment_url == "https://pay.test/rosa"
    await call_back(bench, rosa, TASK)
    await bench.work_for(600)
    assert (await bench.read(ben)).payment_url is None, await both(bench, rosa, ben)


@pytest.mark.parametrize("comes", ["before", "after", "after both have ended"])
async def test_his_own_callback_speaks_for_him_whatever_hers_says(bench: Bench, comes: str) -> None:
    """Whoever lies in her callback stops nobody whose own has come, and whom he has stopped until it does."""
    rosa, ben = await answered_with_hers(bench, OTHER)
    if comes == "before":
        await call_back(bench, ben, TASK)
        await bench.work()
    if comes == "after both have ended":
        end(bench, "cp-2", "cp-3")
    await call_back(bench, rosa, TASK)
    await bench.work_for(HOUR)
    asked = (await bench.read(ben)).attention_code
    assert asked == (None if comes == "before" else "suspected_duplicate"), await both(bench, rosa, ben)
    await call_back(bench, ben, TASK)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    assert (order.status, order.attention_code) == ("completed", None), await both(bench, rosa, ben)
    assert "cp-2" not in ((await bench.read(rosa)).attention_detail or "")


@pytest.mark.parametrize("who", ["Rosa", "Ben"])
async def test_an_operator_settles_it_at_either(bench: Bench, who: str) -> None:
    rosa, ben = await answered_with_hers(bench, OTHER)
    await call_back(bench, rosa, TASK)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(HOUR)
    settled = rosa if who == "Rosa" else ben
    await bench.say(settled, "dismiss_duplicates", by=BY, shown=await look(bench, settled))
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    assert (order.status, order.attention_code) == ("completed", None), await both(bench, rosa, ben)
    assert "cp-2" not in ((await bench.read(rosa)).attention_detail or ""), await both(bench, rosa, ben)
    assert bench.cloudpress.count("place Rosa") == 1


async def test_a_person_is_told_what_it_is_before_he_has_it_placed_again(bench: Bench) -> None:
    """Not of Ben's cp-3 alone, which nobody has yet."""
    rosa, _ben = await answered_with_hers(bench, OTHER)
    end(bench, "cp-2", "cp-3")
    await call_back(bench, rosa, TASK)
    await bench.work_for(2 * HOUR)
    shown = await look(bench, rosa)
    assert sorted(shown.suspects or ()) == ["cp-2", "cp-3"]
    order = await bench.read(rosa)
    assert order.attention_code == "placement_suspected"
    assert "cp-2, cp-3" in (order.attention_detail or "")


async def failed_and_called_back(bench: Bench, names: tuple[str, str] = SAME) -> tuple[UUID, UUID]:
    """Have both be asked, and Ben be failed by an operator, who has found that cp-2 is Rosa's."""
    rosa, ben = await answered_with_hers(bench, names)
    await call_back(bench, rosa, TASK)
    await call_back(bench, ben, 3)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(2 * HOUR)
    assert "resolve it: fail" in ((await bench.read(ben)).attention_detail or "")
    await bench.say(ben, "fail", by=BY, shown=await look(bench, ben))
    await bench.work_for(HOUR)
    assert (await bench.read(ben)).error_code == "failed_by_operator"
    return rosa, ben


@pytest.mark.parametrize("is_dismissed", [True, False])
@pytest.mark.parametrize("names", [SAME, OTHER])
async def test_once_he_was_failed_she_gets_her_own(
    bench: Bench, names: tuple[str, str], *, is_dismissed: bool
) -> None:
    """Also where what was asked of him is ended: that he knows of it says nothing of whose it is."""
    rosa, ben = await failed_and_called_back(bench, names)
    if is_dismissed:
        await bench.say(ben, "dismiss_duplicates", by=BY, shown=await look(bench, ben))
        await bench.work_for(HOUR)
        assert (await bench.read(ben)).attention_code is None
    assert "cp-2" in ((await bench.read(rosa)).attention_detail or ""), await both(bench, rosa, ben)
    await request_resolution(bench.db, rosa, action="adopt", cloudpress_order_id="cp-2", by=BY)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("completed", None), await both(bench, rosa, ben)
    assert await bench.known_site(rosa) == "site-2"
    his = await bench.read(ben)
    assert (his.status, his.cloudpress_order_id) == ("failed", None)
    assert "cp-2" not in (his.attention_detail or ""), await both(bench, rosa, ben)


@pytest.mark.parametrize("speaks", ["his own callback", "nothing but her name", "he has not ended"])
async def test_what_was_his_answer_is_not_given_to_whoever_asks(bench: Bench, speaks: str) -> None:
    rosa, ben = await answered_with_hers(bench)
    if speaks != "nothing but her name":
        await call_back(bench, rosa, TASK)
    if speaks == "his own callback":
        await call_back(bench, ben, TASK)
    await bench.work_for(60)
    if speaks != "he has not ended":
        async with bench.db.write() as tx:
            order = await tx.session.get_one(Order, ben)
            order.status, order.error_code = OrderStatus.FAILED, ErrorCode.FAILED_BY_OPERATOR
            order.finalized_at = tx.now
    with pytest.raises(NotResolvableError, match="has that CloudPress order already"):
        await request_resolution(bench.db, rosa, action="adopt", cloudpress_order_id="cp-2", by=BY)
    assert (await bench.read(ben)).cloudpress_order_id == "cp-2"


async def test_of_a_tombstone_nobody_is_asked_but_her(bench: Bench) -> None:
    rosa, ben = await answered_with_hers(bench, OTHER)
    end(bench, "cp-2")
    await bench.work_for(HOUR)
    bench.clock.time += timedelta(hours=6)
    await erase_order(bench.db, ben, by=Actor("Ben"))
    await call_back(bench, rosa, TASK)
    await bench.work_for(2 * HOUR)
    assert "cp-2" in ((await bench.read(rosa)).attention_detail or ""), await both(bench, rosa, ben)
    assert (await bench.read(ben)).attention_code is None


@pytest.mark.parametrize("names", [SAME, OTHER])
async def test_what_her_callback_said_stands_though_an_answer_names_another_for_her(
    bench: Bench, names: tuple[str, str]
) -> None:
    """The late answer may be wrong as his was: she is asked about it, and he goes no further either."""
    rosa, ben = await answered_with_hers(bench, names)
    await call_back(bench, rosa, TASK)
    await bench.work_for(HOUR)
    await request_cancel(bench.db, ben, by=Actor("Ben"))
    await answered_late(bench, rosa, "cp-3")
    await bench.work_for(HOUR)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(3 * HOUR)
    assert await bench.known_site(ben) is None, await both(bench, rosa, ben)
    assert bench.cloudpress.count("cancel") == 0
    assert (await bench.read(ben)).attention_code == "suspected_duplicate"


async def test_it_stands_no_more_once_an_operator_has_said_which_one_is_hers(bench: Bench) -> None:
    rosa, ben = await answered_with_hers(bench, OTHER)
    await call_back(bench, rosa, TASK)
    await bench.work_for(HOUR)
    await request_resolution(bench.db, rosa, action="adopt", cloudpress_order_id="cp-3", by=BY)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(3 * HOUR)
    his = await bench.read(ben)
    assert (his.status, his.attention_code) == ("completed", None), await both(bench, rosa, ben)


@pytest.mark.parametrize("is_answered", [True, False])
async def test_what_his_own_callback_has_named_is_his_whatever_hers_names(
    bench: Bench, *, is_answered: bool
) -> None:
    """However he came to have it: she gets the one that is left, and nobody is asked or looked at in vain."""
    await bench.complete_one_before()
    if not is_answered:
        answers(bench, LOST)
    ben = await bench.order("Shop")
    await bench.work_for(300)
    await call_back(bench, ben, TASK)
    end(bench, "cp-2")
    await bench.work_for(HOUR)
    answers(bench, LOST)
    rosa = await bench.order("Flower")
    await bench.work()
    await call_back(bench, rosa, TASK)
    end(bench, "cp-3")
    await bench.work_for(6 * HOUR)
    wakes = (await bench.read(ben)).wakes
    await bench.skim(DAY)
    hers, his = await bench.read(rosa), await bench.read(ben)
    assert "cp-2" not in (hers.attention_detail or ""), await both(bench, rosa, ben)
    assert (hers.cloudpress_order_id, his.status) == ("cp-3", "completed"), await both(bench, rosa, ben)
    assert his.wakes == wakes


async def test_nor_once_he_had_hers_placed_again_who_knew_of_it(bench: Bench) -> None:
    rosa, ben = await answered_with_hers(bench, OTHER)
    await call_back(bench, rosa, TASK)
    await bench.work_for(2 * HOUR)
    await bench.say(rosa, "place_again", by=BY, shown=await look(bench, rosa))
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count("place Rosa") == 2
    end(bench, "cp-2", "cp-3", "cp-4")
    await bench.work_for(3 * HOUR)
    hers, his = await bench.read(rosa), await bench.read(ben)
    assert (hers.status, his.status) == ("completed", "completed"), await both(bench, rosa, ben)
    assert his.attention_code is None
