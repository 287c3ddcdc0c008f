"""What an own callback names by a tidied name may be the order's, where the answer named a stranger's."""

from collections.abc import Callable
from uuid import UUID

import pytest

from app.cloudpress import Refused, SiteRef
from app.events.timeline import Actor
from app.orders.dismissing import dismiss_duplicates
from app.orders.requests import request_cancel
from tests.reconciler.scripted import HOUR, Bench
from tests.reconciler.test_anothers_answers import answers, end
from tests.reconciler.test_mixed_up_answers import call_back

BY = Actor("operator")


def rename(bench: Bench, order_id: str, name: str) -> None:
    """Have CloudPress call an order's site otherwise than it was sent."""
    site_id = order_id.replace("cp-", "site-")
    bench.cloudpress.tell(order_id, site=SiteRef(id=site_id, name=name))
    bench.cloudpress.sites[site_id] = name


async def answered(bench: Bench, told: str = "Rosa-2", held: str = "Stranger") -> UUID:
    """Have Rosa's POST, which makes cp-3, be answered with a stranger's cp-2 and the task of that."""
    await bench.complete_one_before()
    wrong = bench.cloudpress.land(held, status="RUNNING")
    answers(bench, (wrong, 2))
    rosa = await bench.order("Rosa")
    await bench.work()
    rename(bench, "cp-3", told)
    return rosa


async def is_asked(bench: Bench, rosa: UUID, named: str = "cp-3", status: str = "provisioning") -> None:
    order = await bench.read(rosa)
    told = order.status, order.attention_code, order.attention_detail
    assert told[:2] == (status, "suspected_duplicate"), told
    assert named in (order.attention_detail or ""), told
    assert "cancel nothing before" in (order.attention_detail or ""), told


@pytest.mark.parametrize("told", ["Rosa-2", "rosa", "Ros"])
async def test_nothing_is_concluded_nor_cancelled_and_a_person_is_asked(bench: Bench, told: str) -> None:
    rosa = await answered(bench, told)
    await call_back(bench, rosa, 3)
    end(bench, "cp-3")
    await bench.work_for(HOUR)
    await request_cancel(bench.db, rosa, by=Actor("Rosa"))
    end(bench, "cp-2")
    await bench.work_for(HOUR)
    await is_asked(bench, rosa)
    assert await bench.known_site(rosa) is None
    assert bench.cloudpress.count("cancel") == 0


@pytest.mark.parametrize("tidies", [str.lower, str.upper], ids=["lower", "upper"])
async def test_so_it_is_where_nothing_is_known_of_names(bench: Bench, tidies: Callable[[str], str]) -> None:
    bench.cloudpress.tidies = tidies
    wrong = bench.cloudpress.land("Stranger", status="RUNNING")
    answers(bench, (wrong, 1))
    rosa = await bench.order("Rosa")
    await bench.work()
    await call_back(bench, rosa, 2)
    end(bench, "cp-1", "cp-2")
    await bench.work_for(3 * HOUR)
    await is_asked(bench, rosa, "cp-2")


async def test_so_it_is_where_what_it_holds_cannot_be_read_at_first(bench: Bench) -> None:
    rosa = await answered(bench)
    plain, failing = bench.cloudpress.order, [True, True]

    async def order(order_id: str, **more: float | None) -> object:
        if order_id == "cp-2" and failing:
            failing.pop()
            raise Refused(500)
        return await plain(order_id, **more)

    bench.cloudpress.order = order  # type: ignore[method-assign, assignment]
    await call_back(bench, rosa, 3)
    await bench.work_for(300)
    assert not failing
    end(bench, "cp-2", "cp-3")
    await bench.work_for(3 * HOUR)
    await is_asked(bench, rosa)


async def test_so_it_is_where_it_has_ended_before(bench: Bench) -> None:
    rosa = await answered(bench)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(HOUR)
    await call_back(bench, rosa, 3)
    await bench.work_for(HOUR)
    await is_asked(bench, rosa, status="completed")


async def test_an_operator_who_finds_that_it_is_its_own_has_it_go_on(bench: Bench) -> None:
    rosa = await answered(bench)
    await call_back(bench, rosa, 3)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(HOUR)
    await dismiss_duplicates(bench.db, rosa, by=BY)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("completed", None)


@pytest.mark.parametrize("held", ["Rosa", "rosa"])
@pytest.mark.parametrize("told", ["Rosa-2", "Other"])
async def test_nobody_is_asked_where_what_it_holds_tells_its_name(bench: Bench, told: str, held: str) -> None:
    rosa = await answered(bench, told, held)
    await call_back(bench, rosa, 3)
    end(bench, "cp-2", "cp-3")
    await bench.work_for(3 * HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("completed", None), order.attention_detail


@pytest.mark.parametrize("is_its_own", [True, False])
async def test_what_tells_no_name_yet_is_not_called_otherwise(bench: Bench, *, is_its_own: bool) -> None:
    """At first no site is linked. It goes on, and is asked about once it tells another's name."""
    await bench.complete_one_before()
    rosa = await bench.order("Rosa")
    await bench.work()
    rename(bench, bench.cloudpress.land("Rosa"), "Rosa-2")
    linked = bench.cloudpress.orders_made["cp-2"].site
    bench.cloudpress.tell("cp-2", site=None)
    await call_back(bench, rosa, 3)
    await bench.work_for(60)
    assert (await bench.read(rosa)).attention_code is None
    bench.cloudpress.tell("cp-2", site=linked)
    if not is_its_own:
        rename(bench, "cp-2", "Stranger")
    end(bench, "cp-2")
    await bench.work_for(3 * HOUR)
    if is_its_own:
        assert (await bench.read(rosa)).status == "completed"
        assert await bench.known_site(rosa) == "site-2"
    else:
        await is_asked(bench, rosa)
