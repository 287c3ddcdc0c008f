"""What an order's life asks of the database: a number that no machine changes, and that is only to fall."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, select

from app.db.database import Database
from app.db.models import Order
from app.orders.callbacks import CallbackIntake
from app.orders.intake import NewOrder, OrderIntake
from app.states import OrderStatus
from tests.reconciler.scripted import ACCOUNT, Bench

# Ratchets: what it takes now, and never again more. The limit is 45 statements in 7 transactions for an order
# alone, and 15 statements an order where many come at once. (PostgreSQL is asked for its time in each
# transaction, and for a lock before a site is given to an order.)
MOST_STATEMENTS = {"sqlite": 37, "postgresql": 44}
MOST_TRANSACTIONS = 7
BURST = 200
MOST_STATEMENTS_IN_A_BURST = {"sqlite": 4, "postgresql": 4}


@dataclass
class Counted:
    """What was asked of the database."""

    statements: list[str] = field(default_factory=list)
    transactions: int = 0


@contextmanager
def counting(db: Database) -> Iterator[Counted]:
    """Count the statements and the transactions of a database in the block."""
    counted = Counted()
    # SQLite's writes have an engine of their own.
    engines = {db.engine.sync_engine, db._writer.sync_engine}

    def executing(*arguments: Any) -> None:
        statement: str = arguments[2]
        if not statement.startswith("BEGIN"):
            counted.statements.append(statement)

    def beginning(_connection: object) -> None:
        counted.transactions += 1

    for engine in engines:
        event.listen(engine, "before_cursor_execute", executing)
        event.listen(engine, "begin", beginning)
    yield counted
    for engine in engines:
        event.remove(engine, "before_cursor_execute", executing)
        event.remove(engine, "begin", beginning)
    assert counted.transactions > 0, "nothing was counted"


async def live(bench: Bench, number: int) -> None:
    """Accept orders, place them, have them called back at once, and complete them."""
    intake = OrderIntake(bench.db)
    orders = [NewOrder(ACCOUNT, f"Shop {each}", "vanilla", None, None, None, {}) for each in range(number)]
    accepted = await asyncio.gather(*(intake.create(order, None) for order in orders))
    await bench.work_together()
    for cloudpress_id in bench.cloudpress.orders_made:
        bench.cloudpress.end(cloudpress_id, "OK")
    callbacks = CallbackIntake(bench.db)
    await asyncio.gather(*(callbacks.record(order.id, b"{}") for order in accepted))
    await bench.work_together()


async def completed(bench: Bench) -> int:
    async with bench.db.read() as session:
        statuses = await session.scalars(select(Order.status))
    return sum(status == OrderStatus.COMPLETED for status in statuses)


async def test_a_lone_order_asks_no_more_of_the_database_than_it_did(database_url: str) -> None:
    bench = Bench(database_url)
    await bench.work_together()  # what a process looks for once a minute belongs to no order
    with counting(bench.db) as counted:
        await live(bench, 1)
    assert await completed(bench) == 1
    assert counted.transactions <= MOST_TRANSACTIONS
    assert len(counted.statements) <= MOST_STATEMENTS[bench.db.engine.dialect.name]
    await bench.db.dispose()


async def test_many_orders_ask_no_more_of_it_than_they_did(database_url: str) -> None:
    bench = Bench(database_url)
    with counting(bench.db) as counted:
        await live(bench, BURST)
    assert await completed(bench) == BURST
    assert len(counted.statements) / BURST <= MOST_STATEMENTS_IN_A_BURST[bench.db.engine.dialect.name]
    await bench.db.dispose()
