"""That an order which is not found was called back is told beside all else, and only then overruled."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.cloudpress import Refused
from app.events.timeline import Actor
from app.orders.callbacks import record_callback
from app.states.attention import CALLED_BACK_TOO
from tests.reconciler.scripted import DAY, GRACE_SECONDS, HOUR, LOST, Bench

BY = Actor("operator")
NAMES_NO_TASK = b'{"success": true}'


async def lost(bench: Bench) -> UUID:
    """Have an order land whose answer is lost, and which CloudPress's list leaves out; return its id here."""
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work()
    ours = bench.cloudpress.land("Shop")
    bench.cloudpress.hides = lambda it: it == ours
    return order_id


async def test_it_is_told_beside_an_order_that_may_be_it(bench: Bench) -> None:
    order_id = await lost(bench)
    strange = bench.cloudpress.land("Somebody else's")
    await record_callback(bench.db, order_id, NAMES_NO_TASK)
    await bench.work_for(GRACE_SECONDS * 1.5)
    order = await bench.read(order_id)
    assert order.attention_code == "placement_suspected"
    assert strange in (order.attention_detail or "")
    assert CALLED_BACK_TOO in (order.attention_detail or "")


async def test_a_word_overrules_no_callback_that_was_not_told(bench: Bench) -> None:
    order_id = await lost(bench)
    bench.cloudpress.land("Somebody else's")
    await bench.work_for(GRACE_SECONDS * 1.5)
    order = await bench.read(order_id)
    assert CALLED_BACK_TOO not in (order.attention_detail or "")
    sent = bench.cloudpress.count("place Shop")
    # Let in before the order asked, of which it does not tell: as of one that asks otherwise by now.
    await record_callback(bench.db, order_id, NAMES_NO_TASK)
    async with bench.db.write() as tx:
        asking = await tx.session.get_one(type(order), order.id)
        asking.attention_since = tx.now
        asking.due_at = tx.now + timedelta(hours=1)
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert bench.cloudpress.count("place Shop") == sent
    assert order.status == "unconfirmed"
    assert CALLED_BACK_TOO in (order.attention_detail or "")


async def test_who_is_told_of_it_may_overrule_it(bench: Bench) -> None:
    order_id = await lost(bench)
    bench.cloudpress.land("Somebody else's")
    await record_callback(bench.db, order_id, NAMES_NO_TASK)
    await bench.work_for(GRACE_SECONDS * 1.5)
    sent = bench.cloudpress.count("place Shop")
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == sent + 1


async def test_a_word_overrules_none_that_no_look_has_seen(bench: Bench) -> None:
    """The second attempt's own callback comes after the question about the first one's."""
    bench.cloudpress.script["place"] = [LOST, LOST]
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.hides = lambda _it: True
    await record_callback(bench.db, order_id, NAMES_NO_TASK)
    await bench.work_for(GRACE_SECONDS * 1.5)
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(GRACE_SECONDS * 1.5 + 2 * HOUR)
    assert (await bench.read(order_id)).attention_code == "placement_called_back"
    assert bench.cloudpress.count("place Shop") == 2
    await record_callback(bench.db, order_id, b'{"task_id": 1}')
    await bench.say(order_id, "place_again", by=BY)
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == 2


@pytest.mark.parametrize(("word", "sent_again"), [("place_again", 1), ("fail", 0)])
async def test_one_that_came_after_another_question_is_overruled_once_it_is_told(
    bench: Bench, word: str, sent_again: int
) -> None:
    order_id = await lost(bench)
    bench.cloudpress.land("Somebody else's")
    await bench.work_for(GRACE_SECONDS * 1.5)
    await record_callback(bench.db, order_id, NAMES_NO_TASK)
    await bench.skim(DAY)
    sent = bench.cloudpress.count("place Shop")
    await bench.say(order_id, word, by=BY)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert bench.cloudpress.count("place Shop") == sent + sent_again
    assert order.attention_code is None


async def test_a_double_does_not_hide_that_a_final_order_was_called_back(bench: Bench) -> None:
    bench.cloudpress.script["place"] = [LOST]
    order_id = await bench.order()
    await bench.work_for(GRACE_SECONDS * 1.5)
    await bench.say(order_id, "fail", by=BY)
    await bench.work_for(HOUR)
    double = bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, b'{"task_id": 1}')
    await record_callback(bench.db, order_id, NAMES_NO_TASK)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert (order.status, order.attention_code) == ("failed", "suspected_duplicate")
    assert double in (order.attention_detail or "")
    assert CALLED_BACK_TOO in (order.attention_detail or "")


async def test_a_refusal_of_the_list_does_not_hide_it(bench: Bench) -> None:
    order_id = await lost(bench)
    await bench.work_for(GRACE_SECONDS * 1.5)
    bench.cloudpress.script["orders"] = [Refused(403)] * 5000
    await record_callback(bench.db, order_id, NAMES_NO_TASK)
    await bench.skim(DAY)
    order = await bench.read(order_id)
    assert order.attention_code == "credentials_refused"
    assert CALLED_BACK_TOO in (order.attention_detail or "")


async def test_its_own_callback_leads_to_it_while_nothing_may_be_sent(bench: Bench) -> None:
    held_off = Refused(503, ("maintenance",), 60.0, is_own_form=True)
    bench.cloudpress.script["place"] = [None, LOST, None, held_off]
    order_id = await bench.order_among_others()
    for _ in range(60):
        await bench.work_for(30)
        if (await bench.read(order_id)).status == "pending":
            break
    assert (await bench.read(order_id)).status == "pending"
    bench.set(placing=False)
    ours = bench.cloudpress.land("Shop")
    await record_callback(bench.db, order_id, f'{{"task_id": {ours.removeprefix("cp-")}}}'.encode())
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == ours


@pytest.mark.parametrize("is_suspected", [False, True])
async def test_no_trouble_with_cloudpress_hides_it(bench: Bench, *, is_suspected: bool) -> None:
    order_id = await lost(bench)
    if is_suspected:
        bench.cloudpress.land("Somebody else's")
    await bench.work_for(GRACE_SECONDS * 1.5)
    bench.cloudpress.script["orders"] = [Refused(500)] * 5000
    await record_callback(bench.db, order_id, NAMES_NO_TASK)
    await bench.skim(2 * DAY)
    order = await bench.read(order_id)
    if is_suspected:
        assert order.attention_code == "placement_suspected"
        assert CALLED_BACK_TOO in (order.attention_detail or "")
    else:
        assert order.attention_code == "placement_called_back"


async def test_a_word_that_is_repeated_overrules_no_more_than_it_did(bench: Bench) -> None:
    """As by a client that asks again after a time-out: what was told in between he has not seen."""
    order_id = await lost(bench)
    bench.cloudpress.land("Somebody else's")
    await bench.work_for(GRACE_SECONDS * 1.5)
    sent = bench.cloudpress.count("place Shop")
    bench.cloudpress.script["orders"] = [Refused(500)] * 100
    await bench.say(order_id, "place_again", by=BY)
    await record_callback(bench.db, order_id, NAMES_NO_TASK)
    await bench.work_for(HOUR)
    assert CALLED_BACK_TOO in ((await bench.read(order_id)).attention_detail or "")
    await bench.say(order_id, "place_again", by=BY)
    bench.cloudpress.script["orders"] = []
    await bench.work_for(HOUR)
    assert bench.cloudpress.count("place Shop") == sent
