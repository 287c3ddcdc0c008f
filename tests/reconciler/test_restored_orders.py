"""No restored order gets another customer's site by its name, and what was ruled out stays so."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.db.models import LookUp
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.restorations import remember_restoration
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_attacks import ROSA
from tests.reconciler.test_orphans import search_of
from tests.reconciler.test_what_was_shown import look
from tests.reconciler.test_words import beside_a_twin


async def restored_without_bens(bench: Bench, *, is_searched_first: bool) -> tuple[UUID, str]:
    """Restore a backup that has Rosa's unsent order, and lacks Ben's of the same name, which was sent."""
    await bench.order("Known before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    bench.set(placing=False)
    rosa = await bench.order("Shop")
    await bench.work()
    # The backup is made here. The original then cancels Rosa's, unsent, takes in Ben's and sends it.
    bench.clock.time += timedelta(hours=1)
    bens = bench.cloudpress.land("Shop")
    bench.clock.time += timedelta(hours=1)
    await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    bench.set(placing=True)
    if is_searched_first:
        await search_of(bench).search()
    await bench.work_for(HOUR)
    await search_of(bench).search()
    return rosa, bens


@pytest.mark.parametrize("is_searched_first", [True, False])
async def test_an_order_of_the_backup_does_not_get_what_another_customer_ordered_after_it(
    bench: Bench, *, is_searched_first: bool
) -> None:
    rosa, bens = await restored_without_bens(bench, is_searched_first=is_searched_first)
    order = await bench.read(rosa)
    told = order.status, order.cloudpress_order_id_source, await bench.known_site(order.id)
    assert order.cloudpress_order_id != bens, told


async def test_what_was_so_taken_is_not_bought_again_when_its_client_repeats_it(bench: Bench) -> None:
    _rosa, bens = await restored_without_bens(bench, is_searched_first=True)
    ben = await bench.order("Shop")  # Ben's client sends his again, as docs/decisions/0009 expects
    await bench.work_for(HOUR)
    order = await bench.read(ben)
    assert bench.cloudpress.count("place Shop") == 0, (bens, order.status, order.cloudpress_order_id)


@pytest.mark.parametrize("is_sent_again", [True, False])
async def test_what_an_operator_ruled_out_stays_so_in_a_restored_database(
    bench: Bench, *, is_sent_again: bool
) -> None:
    """Whether the word was carried out by the time of the backup or not."""
    order_id, twin, linked = await beside_a_twin(bench)
    bench.set(placing=is_sent_again)
    await bench.say(order_id, "place_again", by=ROSA, shown=await look(bench, order_id))
    await bench.work_for(60)
    assert bench.cloudpress.count("place Shop") == (2 if is_sent_again else 1)
    # The backup was made now, and knows of the word.
    await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    async with bench.db.read() as session:
        assert (await session.get_one(LookUp, order_id)).ruled_out == [twin]
    await search_of(bench).search()
    bench.cloudpress.tell(twin, site=linked)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    told = order.status, order.cloudpress_order_id_source, await bench.known_site(order_id)
    assert order.cloudpress_order_id != twin, told


@pytest.mark.parametrize("is_searched", [True, False])
async def test_what_was_sent_before_the_backup_is_found(bench: Bench, *, is_searched: bool) -> None:
    bench.cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    if is_searched:
        await search_of(bench).search()
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.cloudpress_order_id, order.attention_code) == ("cp-2", None)


async def test_what_was_made_long_after_it_was_sent_may_be_one_that_the_backup_lacks(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    bench.set(may_place_again=False)
    await bench.work_for(6 * HOUR)
    another = bench.cloudpress.land("Shop")
    await remember_restoration(bench.db)
    await doubt_unplaced_orders(bench.db)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id is None
    assert another in (order.attention_detail or "")
