"""What was found to be mixed up stands until it is settled, whatever else a person is told meanwhile."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from app.cloudpress import NotFound, Refused
from app.db.models import Order
from app.events.timeline import Actor
from app.orders.waking import make_due
from app.reconciler.concluding import put_off
from app.reconciler.passes import Pass
from app.states import attention
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_answered_with_the_own_task import answered_with_hers
from tests.reconciler.test_answers_outrank_names import (
    adopt,
    answered_with_what_she_takes,
    hers_never_lands,
)
from tests.reconciler.test_attacks import answered_late
from tests.reconciler.test_callbacks_that_claim import both
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_mixed_up_answers import mixed_up as with_swapped_answers
from tests.reconciler.test_what_was_shown import look

BY = Actor("operator")
GONE = NotFound(404, ("not found",), is_own_form=True)
FAILURES = pytest.mark.parametrize("failure", [GONE, Refused(500), LOST], ids=["404", "500", "lost"])


async def without_its_token(bench: Bench, order_id: UUID) -> None:
    """Have the account's token be away for a while."""
    accounts = set(bench.accounts)
    bench.accounts.clear()
    await bench.work_for(2 * HOUR)
    assert (await bench.read(order_id)).attention_code == "account_unknown"
    bench.accounts |= accounts


async def with_a_defect(bench: Bench, order_id: UUID) -> None:
    """Have a defect of ours keep a pass from coming to an end."""
    async with bench.db.write() as tx:
        make_due(tx, await tx.session.get_one(Order, order_id))
    for claim in (await bench.reconciler.claim(100)).claims:
        if claim.row.id == order_id:
            await put_off(Pass(bench.dependencies, claim), attention.defect("somewhere"))
        else:
            await bench.reconciler.work(claim)
    assert (await bench.read(order_id)).attention_code == "pass_broken"


OVERWRITTEN = pytest.mark.parametrize("overwrite", [without_its_token, with_a_defect])
Overwrite = Callable[[Bench, UUID], Awaitable[None]]


async def told_of_a_mix_up(bench: Bench) -> tuple[UUID, UUID]:
    """Have Ben's answer name Rosa's cp-2 and his own task, of which a person is told."""
    rosa, ben = await answered_with_hers(bench, 3, names=("Rosa", "Ben"))
    await bench.work_for(300)
    assert "mixed up" in ((await bench.read(ben)).attention_detail or "")
    return rosa, ben


async def told_of_a_mix_up_among_others(bench: Bench) -> tuple[UUID, UUID]:
    """Do the same between two orders that go well, by which it is proven that Rosa's never landed."""
    bench.complete_one_before = partial(bench.complete_one_before, 60)  # type: ignore[method-assign]
    rosa, ben = await told_of_a_mix_up(bench)
    await bench.complete_one_after()
    return rosa, ben


@OVERWRITTEN
@FAILURES
async def test_what_was_told_meanwhile_ends_no_mix_up(
    bench: Bench, failure: Exception, overwrite: Overwrite
) -> None:
    """Else he got her site, and a person was told to cancel "the one too many" of two customers'."""
    _rosa, ben = await told_of_a_mix_up(bench)
    bench.cloudpress.script["task 3"] = [failure] * 10_000
    await overwrite(bench, ben)
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    told = order.status, order.attention_detail, await bench.known_site(ben)
    assert await bench.known_site(ben) is None, told
    assert "mixed up" in (order.attention_detail or ""), told


@OVERWRITTEN
async def test_what_his_own_callback_said_is_not_lost_with_its_task(
    bench: Bench, overwrite: Overwrite
) -> None:
    rosa, ben = await with_swapped_answers(bench)
    await call_back(bench, ben, 3)
    await bench.work_for(HOUR)
    assert "mixed up" in ((await bench.read(ben)).attention_detail or "")
    bench.cloudpress.script["task 3"] = [LOST] * 10_000
    bench.cloudpress.end("cp-2", "OK")
    await overwrite(bench, ben)
    await bench.work_for(2 * DAY)
    assert await bench.known_site(ben) is None, await both(bench, rosa, ben)
    assert "mixed up" in ((await bench.read(ben)).attention_detail or "")


@OVERWRITTEN
async def test_what_was_told_meanwhile_has_nothing_bought_twice(bench: Bench, overwrite: Overwrite) -> None:
    """Ben holds Rosa's cp-2, so hers is not sent again, also where his task cannot be read any more."""
    rosa, ben = await told_of_a_mix_up_among_others(bench)
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count("place Rosa") == 1, await both(bench, rosa, ben)
    bench.cloudpress.script["task 3"] = [Refused(500)] * 10_000
    await overwrite(bench, ben)
    await bench.work_for(6 * HOUR)
    assert bench.cloudpress.count("place Rosa") == 1, await both(bench, rosa, ben)


async def test_while_something_else_is_told_nothing_is_bought_twice(bench: Bench) -> None:
    """No pass of Ben's comes to an end, while Rosa's go on."""
    rosa, ben = await told_of_a_mix_up_among_others(bench)
    await with_a_defect(bench, ben)
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).due_at = tx.now + timedelta(days=1)
    await bench.say(rosa, "dismiss_duplicates", by=BY, shown=await look(bench, rosa))
    await bench.work_for(2 * HOUR)
    assert (await bench.read(ben)).attention_code == "pass_broken"
    assert bench.cloudpress.count("place Rosa") == 1, await both(bench, rosa, ben)


@OVERWRITTEN
async def test_a_word_to_fail_it_for_that_is_done_all_the_same(bench: Bench, overwrite: Overwrite) -> None:
    """The word was about the mix-up; something else is told before a pass can do it."""
    _rosa, ben = await told_of_a_mix_up(bench)
    await bench.say(ben, "fail", by=BY, shown=await look(bench, ben))
    await overwrite(bench, ben)
    await bench.work_for(HOUR)
    order = await bench.read(ben)
    assert (order.status, order.error_code) == ("failed", "failed_by_operator"), order.attention_detail
    assert "cancel nothing" in (order.attention_detail or "")


async def test_who_fails_it_for_its_token_is_told_to_cancel_nothing(bench: Bench) -> None:
    _rosa, ben = await told_of_a_mix_up(bench)
    bench.accounts.clear()
    await bench.work_for(HOUR)
    await bench.say(ben, "fail", by=BY, shown=await look(bench, ben))
    for _ in range(2):
        await bench.work()
        order = await bench.read(ben)
        assert order.status == "failed"
        assert "mixed up" in (order.attention_detail or ""), order.attention_detail
        assert "cancel nothing" in (order.attention_detail or ""), order.attention_detail
        await bench.work_for(HOUR)


async def test_what_a_release_before_has_told_is_understood(bench: Bench) -> None:
    """It keeps a mix-up in nothing but what it tells, and tells of a double beside that."""
    _rosa, ben = await told_of_a_mix_up(bench)
    double = bench.cloudpress.land("Ben", status="RUNNING")
    async with bench.db.write() as tx:
        order = await tx.session.get_one(Order, ben)
        order.suspected_duplicates, order.due_at = ["cp-3", double], tx.now
    await bench.work()
    assert f"CloudPress also has {double}" in ((await bench.read(ben)).attention_detail or "")
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).mixed_up = None
    bench.cloudpress.script["task 3"] = [GONE] * 10_000
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    assert await bench.known_site(ben) is None
    assert order.mixed_up == {"order": "cp-2", "with": ["cp-3"]}


@OVERWRITTEN
async def test_so_is_what_something_else_was_told_over_by_it(bench: Bench, overwrite: Overwrite) -> None:
    """Then nothing but what is suspected tells of the mix-up, while his own callback's task is not shown."""
    _rosa, ben = await with_swapped_answers(bench)
    await call_back(bench, ben, 3)
    await bench.work_for(HOUR)
    assert "mixed up" in ((await bench.read(ben)).attention_detail or "")
    bench.cloudpress.script["task 3"] = [GONE] * 10_000
    await overwrite(bench, ben)
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).mixed_up = None
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    assert await bench.known_site(ben) is None
    assert order.mixed_up == {"order": "cp-2", "with": ["cp-3"]}


async def test_what_a_release_before_gave_it_instead_is_not_mixed_up(bench: Bench) -> None:
    """It knows nothing of what is kept, and neither writes nor clears it."""
    await bench.complete_one_before()
    ben = await bench.order("Ben")
    await bench.work()
    async with bench.db.write() as tx:
        (await tx.session.get_one(Order, ben)).mixed_up = {"order": "cp-9", "with": ["cp-3"]}
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(HOUR)
    order = await bench.read(ben)
    assert (order.status, order.attention_code, order.mixed_up) == ("completed", None, None)


@OVERWRITTEN
@pytest.mark.parametrize("by", ["callback", "operator"])
async def test_it_ends_once_it_is_settled(bench: Bench, by: str, overwrite: Overwrite) -> None:
    _rosa, ben = await told_of_a_mix_up(bench)
    bench.cloudpress.script["task 3"] = [GONE] * 10_000
    await overwrite(bench, ben)
    if by == "callback":
        await call_back(bench, ben, 2)
    else:
        await bench.work_for(HOUR)
        await bench.say(ben, "dismiss_duplicates", by=BY, shown=await look(bench, ben))
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(2 * HOUR)
    order = await bench.read(ben)
    assert order.mixed_up is None
    assert (order.status, await bench.known_site(ben)) == ("completed", "site-2"), order.attention_detail


async def test_what_it_loses_leaves_no_mix_up(bench: Bench) -> None:
    """Rosa has by its name what Ben was answered with; then a person says that it is his."""
    rosa = await hers_never_lands(bench)
    ben = await answered_with_what_she_takes(bench, rosa, "cp-2")
    assert (await bench.read(rosa)).mixed_up == {"order": "cp-2", "with": ["cp-2"]}
    await adopt(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).mixed_up is None, await both(bench, rosa, ben)
    assert await bench.known_site(ben) == "site-2"


async def test_what_is_named_for_it_as_well_is_kept_beside(bench: Bench) -> None:
    """Both were answered with cp-2; whoever has it is asked, and stays so while nobody can look."""
    await bench.complete_one_before()
    rosa = await bench.order("Rosa")
    await bench.work()
    bench.cloudpress.script["answer"] = [LOST]
    ben = await bench.order("Ben")
    await bench.work()
    await answered_late(bench, ben, "cp-2")
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).mixed_up == {"order": "cp-2", "with": ["cp-2"]}
    await with_a_defect(bench, rosa)
    await bench.work_for(HOUR)
    assert "answered another order here" in ((await bench.read(rosa)).attention_detail or "")
