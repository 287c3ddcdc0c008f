"""Waiting reads: answered when the order changes, and for hundreds at the price of one."""

import asyncio
import time

import httpx
import pytest
from sqlalchemy import event, update

from app.api.admission import Admission
from app.api.auth import BOOTSTRAP
from app.api.context import Context
from app.api.waiting import wait_until
from app.db.database import Database
from app.db.models import Order
from app.db.url import async_database_url
from app.keys.grants import Grant
from app.main import Service, create_app
from app.orders.intake import NewOrder, create_order
from app.orders.reading import OrderView
from app.secrets import Encryption
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.settings import SECRET_KEY, make_settings

WAITERS = 200


async def bootstrap() -> Grant:
    """Return the grant of the environment's key, which is let in for as long as the service runs."""
    return BOOTSTRAP


BOOTSTRAPPED = Admission(BOOTSTRAP, bootstrap)


async def read(
    presshook: Presshook, order_id: str, *, wait: float | None = None, etag: str | None = None
) -> httpx.Response:
    params = {} if wait is None else {"wait": wait}
    headers = {} if etag is None else {"If-None-Match": etag}
    return await presshook.client.get(f"/v1/orders/{order_id}", params=params, headers=headers)


async def test_the_etag_changes_when_the_order_does_and_not_else(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Order [payment-first]")).json()["id"]
        first = await read(presshook, order_id)
        etag = first.headers["etag"]
        assert (await read(presshook, order_id)).headers["etag"] == etag
        for presented in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            unchanged = await read(presshook, order_id, etag=presented)
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert unchanged.headers["etag"] == etag
        [made] = await sandbox.orders()
        await sandbox.post(f"/orders/{made['id']}/pay")
        await presshook.until(order_id, "completed")
        changed = await read(presshook, order_id, etag=etag)
        assert (changed.status_code, changed.json()["status"]) == (200, "completed")


async def test_a_waiting_read_is_answered_by_the_change(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Order [payment-first]")).json()["id"]
        etag = (await read(presshook, order_id)).headers["etag"]
        waiting = [
            asyncio.create_task(read(presshook, order_id, wait=30, etag=etag)),
            asyncio.create_task(read(presshook, order_id, wait=30)),
        ]
        await eventually(lambda: _watched(presshook), lambda watched: watched == 2)
        [made] = await sandbox.orders()
        await sandbox.post(f"/orders/{made['id']}/decline")
        for answer in await asyncio.gather(*waiting):
            assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


async def _watched(presshook: Presshook) -> int:
    return sum(len(events) for events in presshook.service.signals._watchers.values())


@pytest.mark.parametrize("expected", [304, 200])
async def test_a_wait_without_a_change_ends_in_time(
    database_url: str, sandbox: Sandbox, expected: int
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Order [payment-first]")).json()["id"]
        etag = (await read(presshook, order_id)).headers["etag"]
        began = time.monotonic()
        answer = await read(presshook, order_id, wait=0.3, etag=etag if expected == 304 else None)
        assert answer.status_code == expected
        assert time.monotonic() - began >= 0.3


async def test_a_change_that_went_unheard_is_in_the_answer_when_the_time_is_up(database_url: str) -> None:
    service = Service(make_settings(database_url))  # Its signals do not run: it hears of nobody else's work.
    context: Context = create_app(service).state.context
    order = await create_order(service.db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    elsewhere = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    read_first = asyncio.Event()

    def is_placed(order: Order) -> bool:
        read_first.set()
        return order.status == "provisioning"

    waiting = asyncio.create_task(wait_until(context, BOOTSTRAPPED, OrderView(order, (), None), 1, is_placed))
    await read_first.wait()
    async with elsewhere.write() as tx:
        await tx.session.execute(update(Order).values(status="provisioning"))
    assert (await waiting).order.status == "provisioning"
    await elsewhere.dispose()
    await service.db.dispose()


async def test_what_has_changed_already_and_what_is_final_is_answered_at_once(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Order")).json()["id"]
        order = await presshook.until(order_id, "completed")
        final = await read(presshook, order_id)
        async with asyncio.timeout(10):
            assert (await read(presshook, order_id, wait=30)).json() == order
            same = await read(presshook, order_id, wait=30, etag=final.headers["etag"])
            assert same.status_code == 304, "it is final: nothing will change"
            other = await read(presshook, order_id, wait=30, etag='"as it was before"')
            assert other.status_code == 200


async def test_hundreds_of_waiters_ask_the_database_no_more_than_a_few(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Order [payment-first]")).json()["id"]
        etag = (await read(presshook, order_id)).headers["etag"]
        limits = httpx.Limits(max_connections=WAITERS, max_keepalive_connections=0)
        headers = {**presshook.client.headers, "If-None-Match": etag}
        async with httpx.AsyncClient(
            base_url=presshook.url, headers=headers, limits=limits, timeout=60
        ) as client:
            waiting = [
                asyncio.create_task(client.get(f"/v1/orders/{order_id}", params={"wait": 30}))
                for _ in range(WAITERS)
            ]
            await eventually(lambda: _watched(presshook), lambda watched: watched == WAITERS)
            # Each has read the order after it began to watch once its own reads have come to rest.
            statements = _Statements(presshook)
            await eventually(statements.at_rest, bool)
            asked = await statements.during(1.5)
            assert asked < WAITERS / 4, "nobody polls for himself"
            [made] = await sandbox.orders()
            await sandbox.post(f"/orders/{made['id']}/decline")
            answers = await asyncio.gather(*waiting)
        assert {answer.json()["status"] for answer in answers} == {"cancelled"}


class _Statements:
    """Counts what a service asks of its database."""

    def __init__(self, presshook: Presshook) -> None:
        self.count = 0
        engine = presshook.service.db.engine.sync_engine
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, *_arguments: object) -> None:
        self.count += 1

    async def at_rest(self) -> bool:
        """Tell whether less is asked than any queue of waiters would, and not only while all stands still."""
        for _ in range(3):
            if await self.during(0.3) >= 10:
                return False
        return True

    async def during(self, seconds: float) -> int:
        """Return how much is asked in some seconds."""
        before = self.count
        await asyncio.sleep(seconds)
        return self.count - before
