"""One idempotency key buys once, also where its order is erased while a request with it is under way."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.api.routes.accounts import require_account
from app.api.routes.orders import placing
from app.db.database import Database
from app.db.models import Order
from app.db.url import async_database_url
from app.events.timeline import Actor
from app.maintenance.retention import Pruner
from app.orders.erasing import clear, digested, erase_order
from app.orders.intake import (
    Idempotency,
    IdempotencyConflictError,
    NewOrder,
    OrderIntake,
    create_order,
    find_repeated,
)
from app.secrets import Encryption
from app.states import OrderStatus
from tests.harness import Sandbox, eventually, run_presshook, waiting_for_locks
from tests.settings import SECRET_KEY

OPERATOR = Actor("somebody")
NEW = NewOrder("acct", "Once", "vanilla", None, None, None, {})
KEY = Idempotency("identity", "the-same", "fingerprint")


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    yield db
    await db.dispose()


async def finish(db: Database) -> None:
    """Have nothing become of any order any more."""
    async with db.write() as tx:
        ended = {"status": OrderStatus.CANCELLED, "finalized_at": tx.now, "due_at": None}
        await tx.session.execute(update(Order).values(**ended))


async def finished(db: Database, key: Idempotency = KEY) -> UUID:
    order = await create_order(db, NEW, key)
    await finish(db)
    return order.id


async def erased(db: Database, key: Idempotency = KEY) -> UUID:
    order_id = await finished(db, key)
    await erase_order(db, order_id, by=OPERATOR)
    return order_id


async def bought_twice(db: Database, second: Idempotency = KEY) -> tuple[UUID, UUID]:
    """Store two orders of one key, as was possible before: the first is erased, the second under way."""
    first = await erased(db)
    other = await create_order(db, NEW, None)
    async with db.write() as tx:
        given = {"idempotency_identity": second.identity, "idempotency_key": second.key}
        given["idempotency_fingerprint"] = second.fingerprint
        await tx.session.execute(update(Order).where(Order.id == other.id).values(**given))
    return first, other.id


async def keys_of(db: Database) -> dict[UUID, str | None]:
    async with db.read() as session:
        return {order.id: order.idempotency_key for order in await session.scalars(select(Order))}


@pytest.mark.parametrize("by_retention", [False, True])
async def test_a_request_that_stood_still_finds_its_order_that_was_erased(
    database_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *, by_retention: bool
) -> None:
    still, go_on = asyncio.Event(), asyncio.Event()

    async def stand_still(*given: object) -> tuple[str, bool]:
        found = await require_account(*given)  # type: ignore[arg-type]
        if not still.is_set():  # the first request alone, which has found its key to be new
            still.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(placing, "require_account", stand_still)
    body = {"site": {"name": "Once", "variant": "vanilla"}}
    headers = {"Idempotency-Key": "the-same"}
    async with (
        run_presshook(database_url, sandbox.url) as one,
        run_presshook(database_url, sandbox.url) as two,
    ):
        first = asyncio.create_task(one.client.post("/v1/orders", json=body, headers=headers))
        await still.wait()
        order_id = (await two.client.post("/v1/orders", json=body, headers=headers)).json()["id"]
        await eventually(lambda: two.show(order_id), lambda order: order["waiting_for"] is None)
        if by_retention:
            assert (await Pruner(two.service.db, 1e-9).prune()).cleared == 1
        else:
            assert (await two.client.delete(f"/v1/orders/{order_id}/data")).status_code == 200
        go_on.set()
        answers = [await first, await one.client.post("/v1/orders", json=body, headers=headers)]
        other = {"site": {"name": "Another", "variant": "vanilla"}}
        refused = await two.client.post("/v1/orders", json=other, headers=headers)
    assert [(each.status_code, each.json()["id"]) for each in answers] == [(201, order_id)] * 2
    assert refused.status_code == 409
    assert len(await sandbox.orders()) == 1


async def test_a_key_that_was_new_a_moment_ago_is_looked_for_among_erased_ones(db: Database) -> None:
    order_id = await erased(db)
    intake = OrderIntake(db)
    assert (await intake.create(NEW, KEY)).id == order_id
    with pytest.raises(IdempotencyConflictError):
        await intake.create(NEW, Idempotency("identity", "the-same", "another"))
    for identity, key in (("another", "the-same"), ("identity", "another"), ("identity", "THE-SAME")):
        assert (await intake.create(NEW, Idempotency(identity, key, "fingerprint"))).id != order_id


async def test_of_a_batch_only_what_repeats_an_erased_order_is_not_stored(db: Database) -> None:
    many = [Idempotency(f"identity {n % 3}", f"key {n % 10}", "fingerprint") for n in range(30)]
    before = {number: await erased(db, many[number]) for number in (1, 5, 12, 29)}
    intake = OrderIntake(db)
    stored = await asyncio.gather(
        *(intake.create(NEW, key) for key in many), *(intake.create(NEW, None) for _ in range(10))
    )
    assert {number: stored[number].id for number in before} == before
    assert len({order.id for order in stored}) == 40
    assert len(await keys_of(db)) == 40
    again = await asyncio.gather(*(create_order(db, NEW, key) for key in many))
    assert [order.id for order in again] == [order.id for order in stored[:30]]


@pytest.mark.parametrize("is_undone", [False, True])
async def test_who_inserts_waits_for_who_erases_and_sees_what_he_did(
    postgres_url: str, *, is_undone: bool
) -> None:
    one, two = (Database(async_database_url(postgres_url), Encryption([SECRET_KEY])) for _ in range(2))
    order_id = await finished(one)
    async with one.write() as tx:
        await tx.session.get_one(Order, order_id, with_for_update=True)
        await clear(tx, [order_id])
        intake = OrderIntake(two)
        orders = [asyncio.create_task(intake.create(NEW, key)) for key in (KEY, None)]
        await eventually(lambda: waiting_for_locks(two), lambda count: count > 0)
        if is_undone:
            await tx.session.rollback()
    repeated, other = await asyncio.gather(*orders)
    assert repeated.id == order_id != other.id
    assert (await keys_of(two))[order_id] == (KEY.key if is_undone else digested(KEY.key))
    for db in (one, two):
        await db.dispose()


async def test_a_key_that_has_bought_twice_stands_for_the_first(db: Database) -> None:
    first, second = await bought_twice(db)
    for _ in range(2):
        assert (await create_order(db, NEW, KEY)).id == first
        assert (await OrderIntake(db).create(NEW, KEY)).id == first
        with pytest.raises(IdempotencyConflictError):
            await create_order(db, NEW, Idempotency("identity", "the-same", "another"))
        await finish(db)
        await erase_order(db, second, by=OPERATOR)  # once more: it is an erased one's as well
    assert await keys_of(db) == {first: digested(KEY.key), second: None}


async def test_of_two_of_one_key_each_request_finds_its_own(db: Database) -> None:
    other = Idempotency("identity", "the-same", "another")
    first, second = await bought_twice(db, other)
    for key, order_id in ((KEY, first), (other, second)):
        found = await find_repeated(db, key)
        assert found is not None
        assert found.id == order_id


async def test_pruning_goes_on_where_a_key_has_bought_twice(db: Database) -> None:
    first, second = await bought_twice(db)
    third = await finished(db, Idempotency("identity", "another", "fingerprint"))
    await finish(db)
    async with db.write() as tx:
        old = {"finalized_at": tx.now - timedelta(days=2)}
        await tx.session.execute(update(Order).where(Order.id.in_([second, third])).values(**old))
    assert (await Pruner(db, 1).prune()).cleared == 2
    assert await keys_of(db) == {first: digested(KEY.key), second: None, third: digested("another")}
    assert (await create_order(db, NEW, KEY)).id == first
