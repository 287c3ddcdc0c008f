"""An order changes in one way: every move is checked, and whatever is shown differently is told."""

import ast
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import app
from app.db.models import Order
from app.events.timeline import Actor
from app.events.types import EventType
from app.orders.changing import ForbiddenTransitionError, changing
from app.orders.requests import request_cancel
from app.states import Attention, AttentionCode, OrderStatus
from tests.reconciler.scripted import Bench

ROOT = Path(app.__file__).parent
# What else has a status: tasks, deliveries, answers. By file, and by the name that is assigned to.
OTHERS = {
    ("orders/changing.py", "order"),
    ("reconciler/keeping_tasks.py", "task"),
    ("webhooks/deliverer.py", "delivery"),
    ("webhooks/registry.py", "pending.values"),
    ("webhooks/redelivering.py", "delivery"),
    ("webhooks/redelivering.py", "again.values"),
    ("webhooks/registry.py", "setattr"),
    ("cloudpress/errors.py", "self"),
    ("api/problems/problem.py", "self"),
    ("server/heads.py", "self"),
    ("reconciler/progress.py", "setattr"),
}
# Orders are stored, pending, here alone; and an orphan that an operator adopts, unconfirmed.
MAKERS = {"orders/intake.py", "orders/settling_orphans.py"}


def writers_of_status(tree: ast.AST) -> Iterator[str]:
    """Yield the names of what a module assigns a status to; what is made or updated by `status=` as well."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets = [node.target]
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            for part in parts:
                if isinstance(part, ast.Attribute) and part.attr == "status":
                    yield ast.unparse(part.value)
        if isinstance(node, ast.Call):
            named = ast.unparse(node.func)
            sets = any(keyword.arg == "status" for keyword in node.keywords)
            if sets and (named.endswith(".values") or named == "Order"):
                yield named
            if named == "setattr":
                yield named


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_else_writes_the_status_of_an_order(path: Path) -> None:
    file = str(path.relative_to(ROOT))
    if file.startswith("sandbox/"):
        return  # a program of its own, with orders of its own
    for name in writers_of_status(ast.parse(path.read_text())):
        # No order is named so: that is an answer, or an error, with a status of its own.
        is_known = name == "self" or (file, name) in OTHERS or (name == "Order" and file in MAKERS)
        assert is_known, f"{name} in {file}"


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    bench = Bench(database_url)
    yield bench
    await bench.db.dispose()


async def test_an_order_goes_nowhere_that_no_order_may_go(bench: Bench) -> None:
    order_id = await bench.order()

    async def complete() -> None:
        async with bench.db.write() as tx:
            order = await tx.session.get_one(Order, order_id, with_for_update=True)
            async with changing(tx, order, action="test") as change:
                change.move(OrderStatus.COMPLETED)

    with pytest.raises(ForbiddenTransitionError):
        await complete()
    assert (await bench.read(order_id)).status == "pending"


async def test_whoever_waits_is_told_of_whatever_is_shown_differently(bench: Bench) -> None:
    order_id = await bench.order()
    told: list[object] = []
    bench.db.on_commit(lambda notice: told.extend(notice.changed))
    bench.clock.time += timedelta(seconds=5)
    async with bench.db.write() as tx:
        order = await tx.session.get_one(Order, order_id, with_for_update=True)
        async with changing(tx, order, action="test") as change:
            change.ask_for(Attention(AttentionCode.REFUSED, "Do this."))
    order = await bench.read(order_id)
    assert (order.updated_at, told) == (bench.clock.time, [order_id])
    kinds = [event.type for event in await bench.events(order_id)]
    assert kinds[-2:] == [EventType.ATTENTION_STARTED, EventType.NEEDS_ATTENTION]


async def test_what_is_not_shown_differently_is_not_told(bench: Bench) -> None:
    order_id = await bench.order()
    before = await bench.read(order_id)
    bench.clock.time += timedelta(seconds=5)
    async with bench.db.write() as tx:
        order = await tx.session.get_one(Order, order_id, with_for_update=True)
        async with changing(tx, order, action="test") as change:
            change.move(OrderStatus.PENDING)
            change.ask_for(None)
    after = await bench.read(order_id)
    assert after.updated_at == before.updated_at
    assert [event.type for event in await bench.events(order_id)] == [EventType.ACCEPTED]


async def test_a_second_request_to_cancel_that_cancels_at_once_is_told_like_any_change(bench: Bench) -> None:
    order_id = await bench.order()
    async with bench.db.write() as tx:  # while somebody was about to send it, who then was held off
        order = await tx.session.get_one(Order, order_id, with_for_update=True)
        async with changing(tx, order, action="test") as change:
            order.cancel_requested_at = tx.now
            change.ask_for(Attention(AttentionCode.CREDENTIALS_REFUSED, "Do this."))
    bench.clock.time += timedelta(seconds=5)
    told: list[object] = []
    bench.db.on_commit(lambda notice: told.extend(notice.changed))
    cancelled = await request_cancel(bench.db, order_id, by=Actor("client"))
    assert cancelled is not None
    assert (cancelled.status, cancelled.finalized_at) == ("cancelled", bench.clock.time)
    assert (cancelled.updated_at, told) == (bench.clock.time, [order_id])
    kinds = [event.type for event in await bench.events(order_id)]
    assert EventType.ATTENTION_ENDED in kinds
    assert kinds[-1] == EventType.CANCELLED
