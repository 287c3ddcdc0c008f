"""What a callback names is taken for the order's own by the name that it tells, not before."""

from uuid import UUID

import pytest

from app.cloudpress import BadAnswer, CloudPressError, NotFound, Refused, SiteRef
from app.orders.callbacks import record_callback
from app.orders.dismissing import dismiss_duplicates
from tests.reconciler.rare_looks import EVERY_LOOK
from tests.reconciler.scripted import DAY, HOUR, LOST, Bench
from tests.reconciler.test_anothers_answers import before
from tests.reconciler.test_called_back_after_the_end import ROSA
from tests.reconciler.test_mixed_up_answers import call_back
from tests.reconciler.test_names_that_come_late import change_task, lost


async def month_old(bench: Bench, name: str = "Anna's") -> str:
    """Have a stranger, of which CloudPress does not tell the age, be made a month before Rosa's order."""
    stranger = bench.cloudpress.land(name)
    bench.cloudpress.tell(stranger, created_at=None)
    await bench.work_for(30 * DAY)
    return stranger


async def rosas(bench: Bench) -> UUID:
    """Have Rosa's order be sent and no answer be read, after one that went well."""
    await bench.order("Before")
    await bench.work()
    return await lost(bench, "Rosa", lands=True)


def hide_name(bench: Bench, order_id: str) -> None:
    """Have an order link its site and not tell its name, and the site be answered with 404."""
    site_id = order_id.replace("cp", "site")
    bench.cloudpress.tell(order_id, site=SiteRef(id=site_id, name=None))
    del bench.cloudpress.sites[site_id]


def show_name(bench: Bench, order_id: str, name: str | None) -> None:
    bench.cloudpress.sites[order_id.replace("cp", "site")] = name


async def test_anothers_old_order_that_tells_neither_age_nor_name_is_not_taken(bench: Bench) -> None:
    stranger = await month_old(bench)
    hide_name(bench, stranger)
    rosa = await rosas(bench)
    await call_back(bench, rosa, 1)
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).cloudpress_order_id is None
    show_name(bench, stranger, "Anna's")
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert order.cloudpress_order_id is None
    assert stranger in (order.attention_detail or "")
    await call_back(bench, rosa, 3)
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-3"


async def test_anothers_young_order_whose_site_is_not_shown_is_not_taken(bench: Bench) -> None:
    rosa = await rosas(bench)
    stranger = bench.cloudpress.land("Anna's")
    hide_name(bench, stranger)
    await call_back(bench, rosa, 3)
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).cloudpress_order_id is None
    show_name(bench, stranger, "Anna's")
    await bench.skim(2 * DAY)
    assert (await bench.read(rosa)).cloudpress_order_id is None


@pytest.mark.parametrize("tells_age", [True, False])
async def test_its_own_is_taken_once_its_name_is_shown(bench: Bench, *, tells_age: bool) -> None:
    rosa = await rosas(bench)
    hide_name(bench, "cp-2")
    if not tells_age:
        bench.cloudpress.tell("cp-2", created_at=None)
    await call_back(bench, rosa, 2)
    await bench.work_for(300)
    order = await bench.read(rosa)
    assert (order.status, order.cloudpress_order_id) == ("unconfirmed", None)
    show_name(bench, "cp-2", "Rosa")
    bench.cloudpress.end("cp-2", "OK")
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.cloudpress_order_id, order.attention_code) == ("completed", "cp-2", None)


@pytest.mark.parametrize("tells_age", [True, False])
@pytest.mark.parametrize("is_linked", [True, False])
async def test_what_tells_no_name_for_a_day_is_shown_to_a_person(
    bench: Bench, *, is_linked: bool, tells_age: bool
) -> None:
    bench.cloudpress.hides = lambda order_id: order_id == "cp-2"  # no look-up tells of it
    rosa = await rosas(bench)
    hide_name(bench, "cp-2")
    show_name(bench, "cp-2", None)
    if not tells_age:
        bench.cloudpress.tell("cp-2", created_at=None)
    if not is_linked:
        bench.cloudpress.tell("cp-2", site=None)
    await call_back(bench, rosa, 2)
    await bench.skim(DAY - HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.cloudpress_order_id) == ("unconfirmed", None)
    await bench.work_for(3 * HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.cloudpress_order_id) == ("unconfirmed", None)
    assert "cp-2" in (order.attention_detail or "")


async def test_a_double_that_tells_neither_is_suspected(bench: Bench) -> None:
    rosa = await bench.order("Rosa")
    await bench.work()
    double = bench.cloudpress.land("Rosa")
    hide_name(bench, double)
    bench.cloudpress.tell(double, created_at=None)
    await call_back(bench, rosa, 2)
    await bench.work_for(300)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.suspected_duplicates) == ("cp-1", [double])


async def test_what_tells_neither_takes_nothings_place(bench: Bench) -> None:
    """Rosa's was found by a look-up; a callback in her name leads to one that shows nothing of itself."""
    bench.cloudpress.script["answer"] += [None, LOST]
    rosa = await bench.order_among_others("Rosa")
    await bench.work_for(HOUR)
    assert (await bench.read(rosa)).cloudpress_order_id_source == "lookup"
    stranger = bench.cloudpress.land("Anna's", status="RUNNING")
    hide_name(bench, stranger)
    await call_back(bench, rosa, 4)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.suspected_duplicates) == ("cp-2", [stranger])


async def test_its_own_callback_is_heard_though_its_own_shows_nothing_of_itself(bench: Bench) -> None:
    """Answered with its own; called back about it, and about what may be another's."""
    rosa = await bench.order("Rosa")
    await bench.work()
    other = bench.cloudpress.land("Rosa")
    for order_id in ("cp-1", other):
        hide_name(bench, order_id)
        bench.cloudpress.tell(order_id, created_at=None, tasks=())
    await call_back(bench, rosa, 2)
    await call_back(bench, rosa, 1)
    await bench.work_for(300)
    order = await bench.read(rosa)
    assert order.suspected_duplicates == [other]
    assert "cancel nothing" not in (order.attention_detail or "")


@EVERY_LOOK
async def test_a_task_that_cannot_be_read_hides_no_look_up(bench: Bench) -> None:
    bench.cloudpress.script["answer"] += [None, LOST]
    rosa = await bench.order_among_others("Rosa")
    await call_back(bench, rosa, 77)
    bench.cloudpress.script["task 77"] += [Refused(500)] * 1000
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert (order.cloudpress_order_id, order.cloudpress_order_id_source) == ("cp-2", "lookup")


@pytest.mark.parametrize("task_ids", [(2, 3), (3, 2)])
async def test_what_one_task_tells_against_it_counts_where_another_names_it_too(
    bench: Bench, task_ids: tuple[int, int]
) -> None:
    """Two tasks name a stranger's order that looks like ours; one of them tells another account."""
    await before(bench)
    order_id = await lost(bench, "Shop", lands=False)
    bench.cloudpress.land("Shop")
    bench.cloudpress.land("Else")
    change_task(bench, 3, order_ids=("cp-2",), account_ids=("another",))
    for task_id in task_ids:
        await call_back(bench, order_id, task_id)
        bench.clock.step(1)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    assert order.cloudpress_order_id is None
    assert "cp-2" in (order.attention_detail or "")


async def completed_and_called_back(bench: Bench, failure: CloudPressError) -> UUID:
    """Have a completed order be called back with a number of which CloudPress tells nothing."""
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).status == "completed"
    bench.cloudpress.script["task 77"] = [failure] * 100_000
    await record_callback(bench.db, order_id, b'{"id": 77}')
    return order_id


@pytest.mark.parametrize("status", [402, 403])
async def test_a_number_that_is_refused_for_a_day_is_given_up(bench: Bench, status: int) -> None:
    order_id = await completed_and_called_back(bench, Refused(status, ("no",), is_own_form=True))
    await bench.work_for(DAY / 2)
    assert (await bench.read(order_id)).due_at is not None
    await bench.work_for(DAY)
    order = await bench.read(order_id)
    assert (order.due_at, order.attention_code) == (None, None)


@EVERY_LOOK
async def test_it_is_not_where_the_account_is_refused(bench: Bench) -> None:
    """Its token was revoked, and is stored again after some days."""
    refused = Refused(403, ("no",), is_own_form=True)
    order_id = await completed_and_called_back(bench, refused)
    bench.cloudpress.script["order"] = [refused] * 100_000
    await bench.skim(3 * DAY)
    assert (await bench.read(order_id)).attention_code == "unanswered"
    bench.cloudpress.script.clear()
    double = bench.cloudpress.land("Shop")
    task = bench.cloudpress.tasks.pop(int(double.removeprefix("cp-")))
    bench.cloudpress.tasks[77] = task.model_copy(update={"id": 77})
    await bench.work_for(2 * HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [double]


@pytest.mark.parametrize("failing", [1, 20])
@pytest.mark.parametrize("failure", [LOST, Refused(500)])
@EVERY_LOOK
async def test_those_that_fail_for_days_hide_no_other(
    bench: Bench, failure: CloudPressError, failing: int
) -> None:
    order_id = await completed_and_called_back(bench, failure)
    double = bench.cloudpress.land("Shop")
    await call_back(bench, order_id, int(double.removeprefix("cp-")))
    for number in range(78, 77 + failing):
        bench.cloudpress.script[f"task {number}"] = [failure] * 100_000
        await call_back(bench, order_id, number)
    await bench.work_for(4 * DAY)
    assert (await bench.read(order_id)).suspected_duplicates == [double]


async def test_of_many_all_are_asked_about(bench: Bench) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(HOUR)
    for number in range(100, 125):
        own = bench.cloudpress.tasks[1].model_copy(update={"id": number})
        bench.cloudpress.tasks[number] = own
        await call_back(bench, order_id, number)
    double = bench.cloudpress.land("Shop")
    await call_back(bench, order_id, int(double.removeprefix("cp-")))
    await bench.work_for(6 * HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [double]


@pytest.mark.parametrize("stepped", [0, -5 * DAY])
async def test_one_that_comes_after_a_person_was_asked_is_not_dismissed_with_those_before(
    bench: Bench, stepped: float
) -> None:
    order_id = await completed_and_called_back(bench, Refused(500))
    await bench.skim(3 * DAY)
    assert (await bench.read(order_id)).attention_code == "unanswered"
    double = bench.cloudpress.land("Shop")
    bench.clock.step(stepped)
    await call_back(bench, order_id, int(double.removeprefix("cp-")))
    await dismiss_duplicates(bench.db, order_id, by=ROSA)
    await bench.work_for(3 * HOUR)
    assert (await bench.read(order_id)).suspected_duplicates == [double]
    assert not await is_asked_about(bench, 77)


async def is_asked_about(bench: Bench, task_id: int) -> bool:
    """Tell whether a task is asked about that CloudPress tells nothing of."""
    before = bench.cloudpress.count(f"task {task_id}")
    await bench.work_for(3 * HOUR)
    return bench.cloudpress.count(f"task {task_id}") > before


@pytest.mark.parametrize(
    "failure", [Refused(500), Refused(403, ("no",)), BadAnswer("odd", kind="unexpected_shape")]
)
@EVERY_LOOK
async def test_one_that_may_be_shown_yet_is_asked_about_once_an_hour(
    bench: Bench, failure: CloudPressError
) -> None:
    order_id = await completed_and_called_back(bench, failure)
    await bench.skim(3 * DAY)
    assert (await bench.read(order_id)).attention_code == "unanswered"
    asked = bench.cloudpress.count("task 77")
    await bench.work_for(6 * HOUR)
    assert 0 < bench.cloudpress.count("task 77") - asked <= 6


@EVERY_LOOK
async def test_a_number_that_is_answered_oddly_hides_no_list(bench: Bench) -> None:
    bench.cloudpress.script["answer"] = [None, LOST]
    bench.cloudpress.script["task 77"] = [BadAnswer("odd", kind="unexpected_shape")] * 5000
    order_id = await bench.order_among_others()
    await record_callback(bench.db, order_id, b'{"id": 77}')
    await bench.work_for(HOUR)
    assert (await bench.read(order_id)).cloudpress_order_id == "cp-2"


async def test_nothing_is_taken_by_its_name_while_the_own_callback_names_another(bench: Bench) -> None:
    """Its task names cp-2, whose site is not linked yet and which the list leaves out; a twin is listed."""
    cloudpress = bench.cloudpress
    cloudpress.script["answer"] = [None, LOST]
    order_id = await bench.order_among_others()
    cloudpress.tell("cp-2", site=None)
    cloudpress.tasks[2] = cloudpress.tasks[2].model_copy(update={"site_ids": (), "status": "OK"})
    cloudpress.hides = lambda it: it == "cp-2"
    twin = cloudpress.land("Shop")
    await call_back(bench, order_id, 2)
    await bench.work_for(HOUR)
    order = await bench.read(order_id)
    found = order.status, order.cloudpress_order_id_source, await bench.known_site(order_id)
    assert order.cloudpress_order_id != twin, (found, order.attention_detail)


@pytest.mark.parametrize("task_ids", [(3, 2), (2, 3)])
async def test_an_own_order_is_found_beside_anothers_that_a_callback_names_too(
    bench: Bench, task_ids: tuple[int, int]
) -> None:
    """Two callbacks wait to be read: one names its own, the other another order's of the same name."""
    await bench.order("Before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(60)
    rosa = await bench.order("Shop")
    await bench.work()
    bench.cloudpress.script["answer"] = [LOST]
    ben = await bench.order("Shop")
    await bench.work()
    assert (await bench.read(rosa)).cloudpress_order_id == "cp-2"
    bench.cloudpress.hides = lambda it: it == "cp-3"  # the list lags
    bench.cloudpress.end("cp-2", "OK")
    bench.cloudpress.end("cp-3", "OK")
    for task_id in task_ids:
        await call_back(bench, ben, task_id)
    await bench.work_for(HOUR)
    order = await bench.read(ben)
    assert order.cloudpress_order_id == "cp-3", (order.status, order.attention_code, order.attention_detail)


async def test_what_an_operator_has_dismissed_is_not_taken_by_a_callback_of_before(bench: Bench) -> None:
    """Its task could not be read until then: the callback is no news since his word."""
    rosa = await rosas(bench)
    bench.cloudpress.script["task 3"] = [NotFound(404)] * 5000
    twin = bench.cloudpress.land("Rosa")
    await call_back(bench, rosa, 3)
    await bench.work_for(HOUR)
    order = await bench.read(rosa)
    assert twin in (order.attention_detail or ""), (order.status, order.attention_detail)
    await dismiss_duplicates(bench.db, rosa, by=ROSA)
    bench.cloudpress.script["task 3"].clear()
    await bench.work_for(2 * HOUR)
    order = await bench.read(rosa)
    assert (order.status, order.cloudpress_order_id) == ("unconfirmed", None)
