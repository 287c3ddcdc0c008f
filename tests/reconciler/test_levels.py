"""The log's levels: warning where an order begins to fail, error where it needs a person, with the reason."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.cloudpress import Answer, NoAnswer, NotSent, Placed, Refused, SiteOrder
from app.orders.callbacks import record_callback
from app.states import OrderStatus
from tests.reconciler.scripted import Bench


async def passes(bench: Bench, count: int) -> list[dict[str, Any]]:
    """Run passes, each when it is due, and return what the log tells of them."""
    with capture_logs() as logged:
        for _ in range(count):
            bench.clock.time += timedelta(hours=1)
            await bench.work()
    return [dict(line) for line in logged if line["event"] == "pass"]


@pytest.mark.parametrize(
    "failure", [Refused(500), Refused(503), NoAnswer("no answer", kind="timeout")], ids=str
)
async def test_an_order_that_fails_is_told_of_ever_more_seldom(bench: Bench, failure: Exception) -> None:
    order_id = await bench.order()
    await bench.work()
    bench.cloudpress.script["order"] = [failure] * 9
    told = await passes(bench, 10)
    levels = [line["log_level"] for line in told]
    assert levels == ["warning", "warning", "info", "warning", *["info"] * 3, "warning", "info", "info"]
    assert {line["order"] for line in told} == {str(order_id)}
    assert {line["status"] for line in told[:9]} == {getattr(failure, "status", None)}
    assert all(line["reason"] for line in told[:9])
    assert told[9]["reason"] is None


@pytest.mark.parametrize("status", [401, 403, 302, 418])
async def test_what_needs_a_person_is_an_error_with_status_and_reason(bench: Bench, status: int) -> None:
    await bench.order()
    bench.cloudpress.script["place"] = [Refused(status)] * 3
    with capture_logs() as logged:
        await bench.work()
        await bench.work_for(2 * 24 * 3600)
    errors = [line for line in logged if line["event"] == "pass" and line["log_level"] == "error"]
    assert errors, logged
    assert errors[0]["attention"] is not None


async def test_an_account_without_a_token_is_an_error(bench: Bench) -> None:
    await bench.order(account="nobody's")
    with capture_logs() as logged:
        await bench.work()
    assert [line["log_level"] for line in logged if line["event"] == "account_unknown"] == ["error"]


@pytest.mark.parametrize("failure", [NotSent("refused", kind="connect")], ids=str)
async def test_what_could_not_be_sent_is_a_warning(bench: Bench, failure: Exception) -> None:
    await bench.order()
    bench.cloudpress.script["place"] = [failure]
    [line] = await passes(bench, 1)
    assert (line["log_level"], line["after"]) == ("warning", OrderStatus.PENDING)
    assert line["reason"]


@pytest.mark.parametrize("called_back", [True, False])
async def test_a_callback_that_never_came_is_told(bench: Bench, *, called_back: bool) -> None:
    order_id = await bench.order()
    await bench.work()
    order = await bench.read(order_id)
    assert order.cloudpress_order_id is not None
    if called_back:
        await record_callback(bench.db, order_id, b"{}")
    bench.cloudpress.end(order.cloudpress_order_id, "OK")
    bench.clock.time += timedelta(hours=1)
    with capture_logs() as logged:
        await bench.work()
    assert (await bench.read(order_id)).status == OrderStatus.COMPLETED
    missed = [line["log_level"] for line in logged if line["event"] == "callback_missed"]
    assert missed == ([] if called_back else ["warning"])


@pytest.mark.parametrize("odd", ["javascript:alert(1)", "data:text/html,x", "ftp://pay.example", "pay me"])
async def test_a_payment_at_what_is_no_page_is_shown_to_nobody_and_asks_for_a_person(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    order_id = await bench.order()
    place = bench.cloudpress.place

    async def place_oddly(site: SiteOrder, **given: Any) -> Answer[Placed]:
        answer = await place(site, **given)
        document = {"order": {"id": answer.value.order_id}, "payment_url": odd}
        return replace(answer, value=Placed.from_document(document))

    monkeypatch.setattr(bench.cloudpress, "place", place_oddly)
    with capture_logs() as logged:
        await bench.work()
    order = await bench.read(order_id)
    assert (order.status, order.payment_url) == (OrderStatus.AWAITING_PAYMENT, None)
    assert order.attention_code == "payment_url_unusable"
    assert odd not in (order.attention_detail or "")
    assert [line["log_level"] for line in logged if line["event"] == "pass"] == ["error"]
    # The page that it shows later is shown, and nobody is asked for any more.
    assert order.cloudpress_order_id is not None
    shown = bench.cloudpress.orders_made[order.cloudpress_order_id]
    bench.cloudpress.orders_made[order.cloudpress_order_id] = shown.model_copy(
        update={"payment_url": "https://pay.example/1", "asks_for_payment": True, "tasks": ()}
    )
    bench.clock.time += timedelta(hours=2)
    await bench.work()
    order = await bench.read(order_id)
    assert (order.payment_url, order.attention_code) == ("https://pay.example/1", None)
