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
from app.states import OrderStatus
from tests.reconciler.scripted import Bench

# Ratchets: what it takes now, and never again more. What is aimed at is 45 statements in 7 transactions for
# an order alone, and 15 statements an order where many come at once.
MOST_STATEMENTS = {"sqlite": 61, "postgresql": 81}
MOST_TRANSACTIONS = 13
BURST = 40
MOST_STATEMENTS_IN_A_BURST = {"sqlite": 46, "postgresql": 60}


@dataclass
class Counted:
    """What was asked of the database."""

    statements: list[str] = field(default_factory=list)
    transactions: int = 0


@contextmanager
def counting(db: Database) -> Iterator[Counted]:
    """Count the statements and the transactions of a database in the block."""
    counted = Counted()
    engine = db.engine.sync_engine

    def executing(*arguments: Any) -> None:
        statement: str = arguments[2]
        if not statement.startswith("BEGIN"):
            counted.statements.append(statement)

    def beginning(_connection: object) -> None:
        counted.transactions += 1

    event.listen(engine, "before_cursor_execute", executing)
    event.listen(engine, "begin", beginning)
    yield counted
    event.remove(engine, "before_cursor_execute", executing)
    event.remove(engine, "begin", beginning)


async def live(bench: Bench, number: int) -> None:
    """Accept orders, place them, have them called back at once, and complete them."""
    order_ids = [await bench.order(f"Shop {each}") for each in range(number)]
    while await bench.work():
        pass
    for cloudpress_id in bench.cloudpress.orders_made:
        bench.cloudpress.end(cloudpress_id, "OK")
    intake = CallbackIntake(bench.db)
    await asyncio.gather(*(intake.record(order_id, b"{}") for order_id in order_ids))
    while await bench.work():
        pass


async def completed(bench: Bench) -> int:
    async with bench.db.read() as session:
        statuses = await session.scalars(select(Order.status))
    return sum(status == OrderStatus.COMPLETED for status in statuses)


async def test_a_lone_order_asks_no_more_of_the_database_than_it_did(database_url: str) -> None:
    bench = Bench(database_url)
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
