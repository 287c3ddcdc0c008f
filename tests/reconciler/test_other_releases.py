"""Replicas of two releases work side by side: each reads what the other one has stored of a look-up."""

from uuid import UUID

import pytest

from app.db.models import LookUp
from app.reconciler.progress import Progress, kept
from app.states import Doubt
from tests.reconciler.scripted import HOUR, LOST, Bench
from tests.reconciler.test_cancelled_in_the_midst import taken_by_name
from tests.reconciler.test_unseen_news import told

# What the release before this one stores and reads.
KNOWN_BEFORE = {
    "too_early",
    "too_few",
    "list_repeats",
    "list_shifted",
    "list_too_long",
    "no_earlier_order",
    "no_later_order",
    "orders_missing",
    "orders_differ",
    "restored",
    "left_to_people",
    "overdue",
    "refused_for_good",
    "adopted_in_vain",
}


async def progress_of(bench: Bench, order_id: UUID) -> tuple[LookUp, Progress]:
    async with bench.db.read() as session:
        row = await kept(session, order_id)
        assert row is not None
        return row, Progress.of(row, row.attempt)


async def test_the_release_before_can_read_what_is_stored(bench: Bench) -> None:
    """It breaks on a doubt that it does not know."""
    _, ben = await taken_by_name(bench)
    await bench.work_for(HOUR)
    row, progress = await progress_of(bench, ben)
    assert row.taken_by_name
    assert {*row.doubts} <= KNOWN_BEFORE
    assert Doubt.TAKEN_BY_NAME in progress.doubts
    assert progress.doubts == [doubt for doubt in Doubt if doubt in progress.doubts], "in one order"


@pytest.mark.parametrize("is_under_way", [False, True])
async def test_a_doubt_of_a_newer_release_breaks_no_pass_and_has_nothing_sent_again(
    bench: Bench, *, is_under_way: bool
) -> None:
    bench.cloudpress.script["place"] = [None, LOST]
    order_id = await bench.order_among_others()
    await bench.work_for(300)
    async with bench.db.write() as tx:
        row = await tx.session.get_one(LookUp, order_id)
        row.doubts = ["of_a_newer_release"]
        if is_under_way:
            row.begun_at, row.page = row.last_begun_at, None
    _, progress = await progress_of(bench, order_id)
    assert (progress.doubts, progress.is_whole) == ([Doubt.UNKNOWN], False)
    completed = progress.completed
    await bench.work_for(60)
    order = await bench.read(order_id)
    assert order.attention_code != "pass_broken", await told(bench, order_id)
    _, progress = await progress_of(bench, order_id)
    assert progress.completed >= completed
    await bench.work_for(2 * HOUR)
    assert bench.cloudpress.count("place Shop") == 2, "what a look of this release shows counts again"
