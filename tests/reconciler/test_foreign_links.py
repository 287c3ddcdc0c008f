"""Nothing is given to an order by a broken or foreign link: never another one's site and password."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.cloudpress import SiteRef, TaskRef
from app.db.models import Order, Site
from app.states import OrderStatus
from tests.reconciler.scripted import Bench


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.cloudpress.sites["anothers-site"] = "Another's"
    return bench


async def placed(bench: Bench, name: str = "Mine") -> tuple[UUID, str, int]:
    """Place an order whose task runs; return it, its CloudPress order and that one's task."""
    order_id = await bench.order(name)
    await bench.work()
    cloudpress_order_id = (await bench.read(order_id)).cloudpress_order_id
    assert cloudpress_order_id is not None
    return order_id, cloudpress_order_id, int(cloudpress_order_id.removeprefix("cp-"))


def change_task(bench: Bench, number: int, **changes: Any) -> None:
    bench.cloudpress.tasks[number] = bench.cloudpress.tasks[number].model_copy(update=changes)


def own_site(number: int) -> str:
    return f"site-{number}"


async def site_of(bench: Bench, order_id: UUID) -> str | None:
    async with bench.db.read() as session:
        return (await session.execute(select(Site.id).where(Site.order_id == order_id))).scalar()


async def look(bench: Bench, order_id: UUID) -> Order:
    bench.clock.time += timedelta(hours=1)
    await bench.work()
    return await bench.read(order_id)


@pytest.mark.parametrize(
    ("order_ids", "reason"),
    [(("cp-another",), "it names another order"), ((), "it names none, and who says that it is ours?")],
    ids=["another", "none"],
)
async def test_an_order_that_cloudpress_does_not_show_gets_nothing_by_a_remembered_number(
    bench: Bench, order_ids: tuple[str, ...], reason: str
) -> None:
    order_id, cloudpress_order_id, number = await placed(bench)
    change_task(bench, number, status="OK", order_ids=order_ids, site_ids=("anothers-site",))
    del bench.cloudpress.orders_made[cloudpress_order_id]
    order = await look(bench, order_id)
    assert (order.status, await site_of(bench, order_id)) == (OrderStatus.PROVISIONING, None), reason
    for _ in range(4):
        bench.clock.time += timedelta(hours=6)
        order = await look(bench, order_id)
    assert order.attention_code == "not_found"


async def test_an_order_that_cloudpress_does_not_show_gets_what_its_own_task_names(bench: Bench) -> None:
    order_id, cloudpress_order_id, number = await placed(bench)
    change_task(bench, number, status="OK")
    del bench.cloudpress.orders_made[cloudpress_order_id]
    assert (await look(bench, order_id)).status == OrderStatus.COMPLETED
    assert await site_of(bench, order_id) == own_site(number)


async def misfit_by_task_that_denies(bench: Bench, cloudpress_order_id: str, number: int) -> None:
    change_task(bench, number, status="OK", order_ids=("cp-another",))
    bench.cloudpress.tell(cloudpress_order_id, tasks=(TaskRef(id=number, status="OK"),))


async def misfit_by_site(bench: Bench, cloudpress_order_id: str, number: int) -> None:
    bench.cloudpress.end(cloudpress_order_id, "OK")
    bench.cloudpress.tell(cloudpress_order_id, site=SiteRef(id="anothers-site", name="Mine"))
    assert bench.cloudpress.tasks[number].site_ids == (own_site(number),)


async def misfit_by_task_of_another(bench: Bench, cloudpress_order_id: str, number: int) -> None:
    # The list of the order's tasks names the one of another order of ours, which names nobody itself.
    _, _, foreign = await placed(bench, "Another")
    assert foreign != number
    change_task(bench, foreign, status="OK", order_ids=())
    bench.cloudpress.tell(cloudpress_order_id, tasks=(TaskRef(id=foreign, status="OK"),))
    change_task(bench, number, status="OK")


async def misfit_by_task_of_two_sites(bench: Bench, cloudpress_order_id: str, number: int) -> None:
    # The order links none, and one of the two may be where it is migrated from.
    change_task(bench, number, status="OK", site_ids=("anothers-site", own_site(number)))
    bench.cloudpress.tell(cloudpress_order_id, tasks=(TaskRef(id=number, status="OK"),), site=None)


@pytest.mark.parametrize(
    "misfit",
    [
        misfit_by_task_that_denies,
        misfit_by_site,
        misfit_by_task_of_another,
        misfit_by_task_of_two_sites,
    ],
)
async def test_what_does_not_fit_asks_for_a_person_and_is_never_completed(bench: Bench, misfit: Any) -> None:
    order_id, cloudpress_order_id, number = await placed(bench)
    await misfit(bench, cloudpress_order_id, number)
    order = await look(bench, order_id)
    assert (order.status, order.attention_code) == (OrderStatus.PROVISIONING, "foreign_link")
    assert await site_of(bench, order_id) is None
    # Once all fits, it goes on by itself.
    change_task(bench, number, status="OK", order_ids=(cloudpress_order_id,), site_ids=(own_site(number),))
    bench.cloudpress.tell(
        cloudpress_order_id,
        tasks=(TaskRef(id=number, status="OK"),),
        site=SiteRef(id=own_site(number), name="Mine"),
    )
    order = await look(bench, order_id)
    assert (order.status, order.attention_code) == (OrderStatus.COMPLETED, None)
    assert await site_of(bench, order_id) == own_site(number)


async def test_no_site_belongs_to_two_orders(bench: Bench) -> None:
    first, first_there, of_first = await placed(bench, "First")
    second, second_there, number = await placed(bench, "Second")
    bench.cloudpress.end(first_there, "OK")
    assert (await look(bench, first)).status == OrderStatus.COMPLETED
    bench.cloudpress.end(second_there, "OK")
    change_task(bench, number, site_ids=(own_site(of_first),))
    bench.cloudpress.tell(second_there, site=SiteRef(id=own_site(of_first), name="First"))
    order = await look(bench, second)
    assert (order.status, order.attention_code) == (OrderStatus.PROVISIONING, "foreign_link")
    assert await site_of(bench, second) is None


async def test_a_number_that_is_given_anew_takes_nothing_from_who_had_it(bench: Bench) -> None:
    order_id, cloudpress_order_id, number = await placed(bench)
    await look(bench, order_id)  # by which it is known whose the task was
    bench.cloudpress.end(cloudpress_order_id, "OK")
    change_task(bench, number, order_ids=("cp-another",), site_ids=("anothers-site",), status="RUNNING")
    bench.cloudpress.tell(cloudpress_order_id, tasks=(), status="completed")
    order = await look(bench, order_id)
    assert (order.status, await site_of(bench, order_id)) == (OrderStatus.COMPLETED, own_site(number))
