"""Erasure while something is under way about the order: a delivery, callbacks, pruning, another erasure."""

import asyncio
import json
from typing import Any
from uuid import UUID

from sqlalchemy import select
from structlog.testing import capture_logs

from app.db.columns import Base
from app.db.database import Database
from app.maintenance.retention import Pruner
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.hooks import complete, deliveries, hook
from tests.receiver import LOCAL_NETWORKS, Receiver

WORD = "Rosalind Underway"
A_MOMENT_IN_DAYS = 1e-9


async def found_in(db: Database) -> set[str]:
    """Return the tables that have the word somewhere."""
    found = set()
    async with db.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in (await session.execute(select(table))).mappings():
                values = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in row.values()]
                if WORD in json.dumps(values, default=str):
                    found.add(table.name)
    return found


async def finished(presshook: Presshook, order_id: str) -> dict[str, Any]:
    return await eventually(lambda: presshook.show(order_id), lambda order: order["waiting_for"] is None)


async def erase(presshook: Presshook, order_id: str) -> int:
    return (await presshook.client.delete(f"/v1/orders/{order_id}/data")).status_code


async def test_a_delivery_that_is_under_way_ends_and_leaves_nothing(
    database_url: str, sandbox: Sandbox, receiver: Receiver
) -> None:
    async with run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL_NETWORKS) as presshook:
        made = await hook(presshook, receiver, event_types=["order.completed"])
        receiver.hang, receiver.status, receiver.body = asyncio.Event(), 500, f"no {WORD}".encode()
        order_id = await complete(presshook, WORD)
        await eventually(receiver.count, lambda count: count == 1)
        assert "orders" in await found_in(presshook.service.db), "the test finds what is there"
        with capture_logs() as logs:
            assert await erase(presshook, order_id) == 200
            receiver.hang.set()
            receiver.hang, receiver.status = None, 204
            receiver.body = b""
            other = await complete(presshook, "Another")
            [left] = await eventually(
                lambda: deliveries(presshook, made["id"]),
                lambda found: [each["status"] for each in found] == ["delivered"],
            )
        assert [each for each in logs if each["log_level"] in {"error", "critical"}] == []
        assert [each.json["data"]["id"] for each in receiver.messages] == [order_id, other]
        assert left["attempts"] == 1
        assert await found_in(presshook.service.db) == set()


async def test_whoever_erases_whoever_calls_back_and_whoever_prunes_wait_for_each_other(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        db = presshook.service.db
        order_id = await complete(presshook, WORD)
        await finished(presshook, order_id)
        value = presshook.service.callback_secrets.authorization(UUID(order_id))

        async def call_back(number: int) -> int:
            answer = await presshook.client.post(
                f"/v1/callbacks/{order_id}",
                content=f"{WORD} {number}".encode(),
                headers={"Authorization": value},
            )
            return answer.status_code

        answers = await asyncio.gather(
            *(call_back(number) for number in range(8)),
            *(erase(presshook, order_id) for _ in range(8)),
            Pruner(db, A_MOMENT_IN_DAYS).prune(),
        )
        assert answers[:8] == [204] * 8
        assert set(answers[8:16]) <= {200, 409}, "409 where a callback has made it due"
        # It may be that it is being looked at once more, because of the last of those callbacks.
        await eventually(lambda: erase(presshook, order_id), lambda status: status == 200)
        assert await call_back(9) == 204
        assert await found_in(db) == set()
        told = (await presshook.client.get(f"/v1/orders/{order_id}/events")).json()["data"]
        assert [each["type"] for each in told].count("order.erased") <= 1
        assert (await presshook.show(order_id))["erased_at"] is not None
