"""What becomes of an order whose CloudPress order was given to another one."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import NotFound, Refused
from app.db.models import Order
from app.events.timeline import Actor
from app.maintenance.after_restore import doubt_unplaced_orders
from app.orders.dismissing import dismiss_duplicates
from app.orders.requests import request_cancel
from app.orders.resolving import NotResolvableError
from app.orders.restorations import remember_restoration
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench
from tests.reconciler.test_answers_outrank_names import (
    adopt,
    answered_with_what_she_takes,
    hers_never_lands,
    mixed_up,
)
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_orphans import search_of
from tests.reconciler.test_resolvable import MANY
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")


async def hers_was_placed_again(bench: Bench) -> UUID:
    """Send Rosa's order again by an operator's word, in vain as the first time; then one goes well."""
    rosa = await hers_never_lands(bench)
    await bench.work_for(2 * GRACE_SECONDS)
    bench.cloudpress.script["place"] = [LOST]
    await bench.say(rosa, "place_again", by=BY, shown=await look(bench, rosa))
    await bench.work_for(60)
    assert bench.cloudpress.count("place shop-2") == 2
    await bench.order("between")
    await bench.work()
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(60)
    return rosa


async def test_what_was_no_double_of_anothers_may_be_the_freed_orders_own(bench: Bench) -> None:
    """It was dismissed as no double of what she held; once that is handed over, hers is bought again."""
    rosa = await hers_was_placed_again(bench)
    bench.cloudpress.script["answer"] = [LOST]  # who asked for it is stopped for hours, and goes on then
    ben = await bench.order("shop")
    await bench.work()
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, rosa)).due_at = tx.now
    await bench.work_for(60)
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-3"
    hers = bench.cloudpress.land("shop-2", status="RUNNING")  # the second attempt has landed late
    await bench.work_for(6 * HOUR)
    assert (await bench.read(rosa)).suspected_duplicates == [hers]
    await dismiss_duplicates(bench.db, rosa, by=BY, shown=await look(bench, rosa))  # "both are wanted"
    await bench.work_for(60)
    await answered_late(bench, ben, "cp-3")
    await bench.work_for(HOUR)
    await adopt(bench, ben, "cp-3")
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    assert bench.cloudpress.count("place shop-2") == 2, (order.status, order.cloudpress_order_id, hers)


async def test_a_freed_order_that_is_found_by_its_name_does_not_take_back_what_was_taken_from_it(
    bench: Bench,
) -> None:
    """Her recheck has it replace what the look-up found, though an operator said that it is not hers."""
    rosa, ben = await mixed_up(bench)
    await answered_late(bench, rosa, "cp-2")
    await bench.work_for(60)
    await bench.say(ben, "fail", by=BY, shown=await look(bench, ben))
    await bench.work_for(60)
    hers = bench.cloudpress.land("shop-2", status="RUNNING")  # the list has left it out so far
    bench.cloudpress.tell(hers, created_at=(await bench.read(rosa)).created_at + timedelta(seconds=30))
    await bench.say(rosa, "place_again", by=BY, shown=await look(bench, rosa))
    await bench.work_for(HOUR)
    told = [it.data for it in await bench.events(rosa, "order.identified")]
    order = await bench.read(rosa)
    assert order.cloudpress_order_id != "cp-2", (told, await bench.known_site(rosa))


async def test_a_freed_order_that_its_own_answer_named_too_is_placed_again_by_a_word(bench: Bench) -> None:
    """What was taken from it speaks for it no more, so the word is done, and does not go round and round."""
    rosa, ben = await mixed_up(bench)
    await answered_late(bench, rosa, "cp-2")
    await bench.work_for(60)
    await bench.say(ben, "fail", by=BY, shown=await look(bench, ben))
    await bench.work_for(60)
    sent = bench.cloudpress.count("place shop-2")
    await bench.say(rosa, "place_again", by=BY, shown=await look(bench, rosa))
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place shop-2") == sent + 1
    assert (await bench.read(rosa)).status == "provisioning"


async def test_an_order_that_had_a_word_before_does_not_take_back_what_was_handed_over(bench: Bench) -> None:
    """An earlier word dates what was taken from her: her callback, later than it, undoes that."""
    rosa = await hers_was_placed_again(bench)
    ben = await answered_with_what_she_takes(bench, rosa, "cp-3")
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate"
    bench.cloudpress.tasks[30] = bench.cloudpress.tasks[3].model_copy(update={"id": 30})
    await call_back(bench, rosa, 30)  # no pass has read that when the operator speaks
    await adopt(bench, ben, "cp-3")
    await bench.work_for(HOUR)
    told = [it.data for it in await bench.events(rosa, "order.identified")]
    assert (await bench.read(ben)).cloudpress_order_id == "cp-3", told
    assert (await bench.read(rosa)).cloudpress_order_id != "cp-3"


async def test_a_freed_order_of_a_backup_does_not_get_what_the_backup_lacks(bench: Bench) -> None:
    """Rosa's held something when the backup was made; freed, she takes Carl's, whom the backup has lost."""
    rosa, ben = await mixed_up(bench)
    # The backup is made here. Carl's is taken in after it, sent and made.
    bench.clock.time += timedelta(hours=1)
    carls = bench.cloudpress.land("shop-2")
    bench.clock.time += timedelta(hours=1)
    await remember_restoration(bench.db, since=bench.clock.time - timedelta(hours=2))
    await doubt_unplaced_orders(bench.db)
    await search_of(bench).search()
    await adopt(bench, ben, "cp-2")
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    told = order.status, order.cloudpress_order_id_source, await bench.known_site(rosa)
    assert order.cloudpress_order_id != carls, told


async def taken_by_its_name(bench: Bench) -> tuple[UUID, UUID]:
    """Have Rosa's take by its name what is made of Ben's, whose answer is lost; then one goes well."""
    rosa = await hers_never_lands(bench)
    bench.cloudpress.script["answer"] = [LOST]
    bench.clock.time += timedelta(seconds=30)
    ben = await bench.order("shop")
    await bench.work()
    await bench.work_for(60)
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-2"
    await bench.order("after")
    await bench.work()
    bench.cloudpress.end("cp-3", "OK")
    return rosa, ben


async def refused_to_cancel_anothers(bench: Bench) -> tuple[UUID, UUID]:
    """Have CloudPress refuse to cancel what Rosa's has by its name, and Ben's be answered with the same."""
    rosa, ben = await taken_by_its_name(bench)
    bench.cloudpress.script["cancel"] = [Refused(409, ("too late",), is_own_form=True)]
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work_for(60)
    assert (await bench.read(rosa)).cancel_refusal is not None
    await answered_late(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate"
    return rosa, ben


async def test_a_refusal_to_cancel_what_was_anothers_does_not_undo_the_wish(bench: Bench) -> None:
    """CloudPress refuses to cancel Ben's; hers is looked for anew, and not sent again: she cancelled it."""
    rosa, ben = await refused_to_cancel_anothers(bench)
    await adopt(bench, ben, "cp-2")
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    assert bench.cloudpress.count("place shop-2") == 1, (order.status, order.cancel_refusal)


async def test_an_operator_who_fails_it_ends_the_wish_that_was_refused(bench: Bench) -> None:
    """To have it placed again he is not offered: nobody wants it."""
    rosa, _ben = await refused_to_cancel_anothers(bench)
    with pytest.raises(NotResolvableError, match="wants this order cancelled"):
        await bench.say(rosa, "place_again", by=BY, shown=await look(bench, rosa))
    await bench.say(rosa, "fail", by=BY, shown=await look(bench, rosa))
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.cancel_requested_at, order.resolution) == ("failed", None, None)
    assert bench.cloudpress.count("place shop-2") == 1


async def taken_and_gone(bench: Bench) -> tuple[UUID, UUID]:
    """Have Rosa's take Ben's by its name, and CloudPress not show it for days."""
    rosa, ben = await taken_by_its_name(bench)
    await bench.work_for(60)
    assert (await bench.read(ben)).status == "unconfirmed"
    bench.set(may_place_again=False)
    bench.cloudpress.script["order"] = [NotFound(404)] * MANY
    bench.cloudpress.script["task"] = [NotFound(404)] * MANY
    await bench.skim(3 * DAY)
    assert (await bench.read(rosa)).attention_code == "not_found"
    return rosa, ben


async def test_a_word_to_fail_what_an_order_held_does_not_fail_it_once_that_is_anothers(
    bench: Bench,
) -> None:
    """He failed hers for what CloudPress shows no more; that was Ben's, and hers is there, and is found."""
    rosa, ben = await taken_and_gone(bench)
    bench.cloudpress.script["order"] = [Refused(500)] * MANY
    await bench.say(rosa, "fail", by=BY, shown=await look(bench, rosa))
    await bench.work_for(60)
    assert (await bench.read(rosa)).resolution is not None
    await answered_late(bench, ben, "cp-2")
    await adopt(bench, ben, "cp-2")
    bench.cloudpress.script.clear()
    await bench.work_for(60)
    order = await bench.read(rosa)
    assert order.status != "failed", [it.type for it in await bench.events(rosa)][-8:]


async def test_what_an_operator_failed_as_gone_is_adopted_by_whom_cloudpress_answered_with_it(
    bench: Bench,
) -> None:
    """Nothing was handed out of it, and Ben's own answer names it: else his is bought and never told."""
    rosa, ben = await taken_and_gone(bench)
    await bench.say(rosa, "fail", by=BY, shown=await look(bench, rosa))
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).status == "failed"
    bench.cloudpress.script.clear()
    bench.cloudpress.end("cp-2", "OK")
    await answered_late(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    order = await bench.read(ben)
    assert order.status == "unconfirmed", (order.status, order.attention_detail)
    await adopt(bench, ben, "cp-2")
    await bench.work_for(2 * HOUR)
    assert await bench.known_site(ben) == "site-2"
