"""What CloudPress answered an order with is no other's, whose name it may tell.

"shop" is taken at CloudPress, which makes names unique: a second one is called "shop-2", as another order is.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.db.models import Order, Placement
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.orders.requests import request_cancel
from app.orders.resolving import NotResolvableError, request_resolution
from app.orders.waking import make_due
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")
FEW = 60


async def adopt(bench: Bench, order_id: UUID, cloudpress_order_id: str) -> None:
    await request_resolution(
        bench.db, order_id, action="adopt", cloudpress_order_id=cloudpress_order_id, by=BY
    )


async def note_answer(bench: Bench, order_id: UUID, cloudpress_order_id: str | None) -> None:
    async with bench.db.write() as tx:
        (await tx.session.get_one(Placement, (order_id, 1))).cloudpress_order_id = cloudpress_order_id


async def hers_never_lands(bench: Bench) -> UUID:
    """Send Rosa's order, after one that goes well, in vain; CloudPress will call Ben's as hers is called."""
    await bench.order("before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    bench.cloudpress.script["place"] = [LOST]
    rosa = await bench.order("shop-2")
    await bench.work()
    bench.cloudpress.tidies = lambda name: "shop-2" if name == "shop" else name
    return rosa


async def mixed_up(bench: Bench, *, ends_first: bool = False) -> tuple[UUID, UUID]:
    """Have the list give Rosa's order, by its name, what CloudPress's own answer says is Ben's: cp-2.

    Its site may be finished, and hers with it, before that answer comes.
    """
    rosa = await hers_never_lands(bench)
    return rosa, await answered_with_what_she_takes(bench, rosa, "cp-2", ends_first=ends_first)


async def answered_with_what_she_takes(
    bench: Bench, rosa: UUID, made: str, *, ends_first: bool = False
) -> UUID:
    """Have Ben's order be answered with what is `made` for it, once a look-up has taken that for Rosa's."""
    plain = bench.cloudpress.place

    async def slowly(*args: Any, **more: Any) -> Any:
        """Ben's is made, and before the answer is read, a look-up of Rosa's reads the list."""
        bench.cloudpress.place = plain  # type: ignore[method-assign]
        answer = await plain(*args, **more)
        if ends_first:
            bench.cloudpress.end(made, "OK")
        for _ in range(2):
            bench.clock.time += timedelta(seconds=5)
            await bench.work()
        return answer

    bench.clock.time += timedelta(seconds=60)
    ben = await bench.order("shop")
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, rosa)).due_at = tx.now + timedelta(seconds=3)
    bench.cloudpress.place = slowly  # type: ignore[method-assign]
    await bench.work()
    bench.cloudpress.end(made, "OK")
    await bench.work_for(2 * HOUR)
    return ben


async def test_an_answer_outranks_the_look_up_of_another(bench: Bench) -> None:
    rosa, ben = await mixed_up(bench)
    assert bench.cloudpress.count("place shop") == 1
    assert await bench.known_site(rosa) is None
    assert (await bench.read(rosa)).attention_code == "suspected_duplicate"
    assert (await bench.read(ben)).attention_code == "placement_suspected"


async def test_whose_it_is_an_operator_says(bench: Bench) -> None:
    """Of what he said is the one's, the other is told no more."""
    rosa, ben = await mixed_up(bench)
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    await bench.say(ben, "place_again", by=BY, shown=await look(bench, ben))
    await bench.work_for(HOUR)
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(HOUR)
    assert await bench.known_site(rosa) == "site-2"
    order = await bench.read(ben)
    assert (order.status, order.cloudpress_order_id, order.attention_code) == ("completed", "cp-3", None)


async def test_what_an_answer_named_is_not_looked_up_by_another(bench: Bench) -> None:
    """Ben's answer is recorded late, and before his pass comes, Rosa's look-up finds what it names."""
    rosa = await hers_never_lands(bench)
    bench.cloudpress.script["answer"] = [LOST]
    bench.cloudpress.hides = lambda it: it == "cp-2"
    bench.clock.time += timedelta(seconds=30)
    ben = await bench.order("shop")
    await bench.work()
    async with bench.db.write() as tx:
        placement = await tx.session.get_one(Placement, (ben, 1))
        placement.outcome, placement.cloudpress_order_id = "placed", "cp-2"
        (await tx.session.get_one(Order, ben)).due_at = tx.now + timedelta(seconds=120)
        (await tx.session.get_one(Order, rosa)).due_at = tx.now
    bench.cloudpress.hides = lambda _it: False
    bench.cloudpress.end("cp-2", "OK")
    await bench.work()
    bench.clock.time += timedelta(seconds=60)
    await bench.order("after")
    await bench.work_for(60)
    bench.cloudpress.end("cp-3", "OK")
    await bench.work_for(2 * HOUR)
    told = [
        (o.site_name, o.status, o.cloudpress_order_id, o.cloudpress_order_id_source, o.attention_code)
        for o in await bench.orders()
    ]
    assert (await bench.known_site(rosa), bench.cloudpress.count("place shop")) == (None, 1), told
    assert "cp-2" not in ((await bench.read(rosa)).attention_detail or "")


async def test_what_was_taken_by_name_is_given_to_the_order_that_was_answered_with_it(bench: Bench) -> None:
    """The operator knows that the site is Ben's; hers was never made."""
    rosa, ben = await mixed_up(bench)
    await adopt(bench, ben, "cp-2")
    order = await bench.read(rosa)
    assert (order.status, order.cloudpress_order_id, order.attention_code) == ("unconfirmed", None, None)
    assert (await bench.known_tasks(rosa), await bench.known_site(rosa)) == ([], None)
    await bench.work_for(2 * HOUR)
    assert (await bench.read(ben)).status == "completed"
    assert await bench.known_site(ben) == "site-2"
    order = await bench.read(rosa)
    assert order.cloudpress_order_id != "cp-2"
    assert "cp-2" not in (order.attention_detail or ""), "an operator has said whose it is"
    assert order.attention_code is not None or bench.cloudpress.count("place") > 3, "sent anew, or asked for"


async def test_a_cancellation_goes_on_once_the_order_is_looked_for_anew(bench: Bench) -> None:
    rosa, ben = await mixed_up(bench)
    await request_cancel(bench.db, rosa, by=BY)
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).status == "provisioning"
    await adopt(bench, ben, "cp-2")
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count("cancel") == 0, "what would be cancelled is Ben's"
    order = await bench.read(rosa)
    assert order.status == "cancelled" or order.attention_code is not None
    assert (await bench.read(ben)).status == "completed"


async def test_a_pass_that_goes_on_takes_nothing_from_what_was_handed_over(bench: Bench) -> None:
    """It has read Rosa's order before Ben's answer came, and reads the site when an operator has spoken."""
    rosa, ben = await mixed_up(bench)
    await note_answer(bench, ben, None)
    plain = bench.cloudpress.site

    async def meanwhile(*asked: Any, **more: Any) -> Any:
        bench.cloudpress.site = plain  # type: ignore[method-assign]
        await note_answer(bench, ben, "cp-2")
        await adopt(bench, ben, "cp-2")
        return await plain(*asked, **more)

    bench.cloudpress.site = meanwhile  # type: ignore[method-assign]
    async with bench.db.write() as tx:
        make_due(tx, await tx.session.get_one(Order, rosa))
    await bench.work()
    assert bench.cloudpress.site == plain, "the pass has read the site"
    order = await bench.read(rosa)
    assert (order.status, order.cloudpress_order_id) == ("unconfirmed", None)
    assert await bench.known_site(rosa) is None


async def test_one_that_had_ended_as_anothers_is_asked_about_too(bench: Bench) -> None:
    """Its site was handed out before CloudPress's answer to Ben's order came."""
    rosa, ben = await mixed_up(bench, ends_first=True)
    order = await bench.read(rosa)
    assert (order.status, order.attention_code) == ("completed", "suspected_duplicate")
    assert (await bench.read(ben)).attention_code == "placement_suspected"
    with pytest.raises(NotResolvableError, match="has that CloudPress order already"):
        await adopt(bench, ben, "cp-2")
    asked = bench.cloudpress.count("order")
    await bench.skim(3 * DAY)
    assert bench.cloudpress.count("order") - asked < FEW
    assert len(await bench.events(rosa, "order.needs_attention")) == 1
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    await bench.work_for(DAY)
    assert (await bench.read(rosa)).attention_code is None


async def ended_before_his_answer_came(bench: Bench) -> tuple[UUID, UUID]:
    """Have Rosa's order end by its name as what Ben's is answered with late, once his has ended as well."""
    rosa = await hers_never_lands(bench)
    bench.cloudpress.tidies = lambda name: "shop-2" if name == "shop" else name
    bench.cloudpress.script["answer"] = [LOST]
    bench.clock.time += timedelta(seconds=30)
    ben = await bench.order("shop")
    await bench.work()
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).status == "completed"
    await bench.say(ben, "fail", by=BY, shown=await look(bench, ben))
    await bench.work_for(60)
    await answered_late(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    return rosa, ben


async def test_who_is_told_of_what_another_has_by_its_name_is_not_told_to_cancel_it(bench: Bench) -> None:
    """It is another customer's finished site, of which the other order is asked as well."""
    rosa, ben = await ended_before_his_answer_came(bench)
    his, hers = await bench.read(ben), await bench.read(rosa)
    assert (his.suspected_duplicates, hers.suspected_duplicates) == (["cp-2"], ["cp-2"])
    assert "cancel it there" not in (his.attention_detail or "")
    assert "another order here has cp-2 by its name" in (his.attention_detail or "")
    asked = [len(await bench.events(it, "order.needs_attention")) for it in (rosa, ben)]
    await bench.skim(2 * DAY)
    assert [len(await bench.events(it, "order.needs_attention")) for it in (rosa, ben)] == asked, "told once"
    for order_id in (ben, rosa):
        await bench.say(order_id, "dismiss_duplicates", by=BY, shown=await look(bench, order_id))
        await bench.skim(DAY)
    assert [(await bench.read(it)).attention_code for it in (rosa, ben)] == [None, None]


@pytest.mark.parametrize("field", ["source", "answer"])
async def test_only_what_was_got_by_name_goes_to_whoever_was_answered_with_it(
    bench: Bench, field: str
) -> None:
    rosa, ben = await mixed_up(bench)
    if field == "source":
        async with bench.db.write() as tx:
            (await tx.session.get_one(Order, rosa)).cloudpress_order_id_source = "answer"
    else:  # nor do the names look alike
        await note_answer(bench, ben, None)
        async with bench.db.write() as tx:
            (await tx.session.get_one(Order, rosa)).site_name = "Another"
    with pytest.raises(NotResolvableError, match="has that CloudPress order already"):
        await adopt(bench, ben, "cp-2")
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-2"


@pytest.mark.parametrize("by", ["operator", "callback"])
async def test_an_answer_that_names_what_another_got_otherwise_is_told(bench: Bench, by: str) -> None:
    """Ben's POST is under way when the operator takes its order for Rosa's, or a mixed-up callback does."""
    bench.cloudpress.script["place"] = [None, LOST]
    await bench.order("Before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(60)
    rosa = await bench.order("Shop")  # it never arrives
    await bench.work()
    await bench.order("Between")
    await bench.work()
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(60)
    assert (await bench.read(rosa)).status == "unconfirmed"
    plain = bench.cloudpress.place

    async def place(*sent: Any, **more: Any) -> Any:
        bench.cloudpress.place = plain  # type: ignore[method-assign]
        answer = await plain(*sent, **more)
        bens = answer.value.order_id
        if by == "operator":
            await request_resolution(bench.db, rosa, action="adopt", cloudpress_order_id=bens, by=BY)
        else:
            await record_callback(bench.db, rosa, b'{"task": {"id": 3}}')
        for claim in (await bench.reconciler.claim(100)).claims:
            await bench.reconciler.work(claim)
        return answer

    bench.cloudpress.place = place  # type: ignore[method-assign]
    ben = await bench.order("Shop")
    for claim in (await bench.reconciler.claim(1)).claims:
        await bench.reconciler.work(claim)
    bench.clock.time += timedelta(seconds=60)
    await bench.order("After")
    await bench.work()
    for made in ("cp-3", "cp-4"):
        bench.cloudpress.end(made, "OK")
    await bench.work_for(3 * HOUR)
    hers, his = await bench.read(rosa), await bench.read(ben)
    told = [(it.status, it.cloudpress_order_id, it.attention_code) for it in (hers, his)]
    assert bench.cloudpress.count("place Shop") == 2, told
    assert "cp-3" in (his.attention_detail or "") + (hers.attention_detail or ""), told
