"""What holds for every write transaction on PostgreSQL, whatever the database's own defaults are."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.db import postgresql
from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.db.models import Order
from app.db.whole import WholeTransaction
from tests.databases import PostgresServer
from tests.harness import eventually, replica, run_presshook, waiting_for_locks

NOWHERE = "http://127.0.0.1:9"
CALLBACKS = 40
LIMITED = ("lock_timeout", "idle_in_transaction_session_timeout")
LOCKED = text("LOCK TABLE orders IN EXCLUSIVE MODE")


async def shown_as_a_whole(db: Database) -> dict[str, str]:
    """Return settings as they are in a transaction that runs in one go, and whether that is one."""

    def ask(tx: WholeTransaction) -> dict[str, str]:
        names = ("synchronous_commit", "transaction_isolation", *LIMITED)
        settings = {name: str(tx.connection.execute(text(f"SHOW {name}")).scalar_one()) for name in names}
        # In a transaction the time of its beginning stands still.
        moments = {tx.connection.execute(text("SELECT now()")).scalar_one() for _ in range(2)}
        probes = tx.connection.execute(text("SELECT count(*) FROM write_probes")).scalar_one()
        return settings | {"same": str(len(moments) == 1).lower(), "probes": str(probes)}

    return await db.write_whole(ask)


async def shown(db: Database, name: str) -> str:
    async with db.write() as tx:
        return str((await tx.session.execute(text(f"SHOW {name}"))).scalar_one())


async def test_a_replica_that_is_stopped_in_a_write_transaction_takes_no_other_down(
    postgres_url: str,
) -> None:
    """It holds one order's row. Those who want that row may have to come again; nobody else notices."""
    async with (
        replica(postgres_url) as stopped,
        run_presshook(postgres_url, NOWHERE, reconcile=False) as presshook,
    ):
        order_id = (await presshook.order("Locked", wait=0)).json()["id"]
        secret = presshook.service.callback_secrets.authorization(UUID(order_id))
        async with stopped.write() as tx:
            await tx.session.get(Order, UUID(order_id), with_for_update=True)
            callbacks = [
                asyncio.create_task(
                    presshook.client.post(
                        f"/v1/callbacks/{order_id}", headers={"Authorization": secret}, content=f"{number}"
                    )
                )
                for number in range(CALLBACKS)
            ]
            await eventually(lambda: waiting_for_locks(stopped), lambda count: count > 0)
            assert (await presshook.client.get("/readyz")).status_code == 200
            assert (await presshook.client.get(f"/v1/orders/{order_id}")).status_code == 200
            await tx.session.rollback()
        answers = [(await callback).status_code for callback in callbacks]
        assert set(answers) <= {204, 503}
        assert (await presshook.order("Not locked", wait=0)).status_code == 202


async def test_who_stands_still_in_a_write_transaction_loses_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "WRITE_IDLE_SECONDS", 1)
    async with replica(postgres_url) as stopped, replica(postgres_url) as other:

        async def stand_still() -> None:
            async with stopped.write() as tx:
                await tx.session.execute(LOCKED)
                async with other.write() as later:
                    await later.session.execute(LOCKED)

        with pytest.raises(DATABASE_AWAY):
            await stand_still()


async def test_who_waits_for_a_row_in_vain_is_told_so_soon(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "LOCK_WAIT_SECONDS", 1)
    async with replica(postgres_url) as one, replica(postgres_url) as other, one.write() as tx:
        await tx.session.execute(LOCKED)

        async def wait() -> None:
            async with other.write() as later:
                await later.session.execute(LOCKED)

        with pytest.raises(OperationalError, match="lock timeout"):
            await wait()


@pytest.mark.parametrize(
    ("default", "ours", "reason"),
    [
        ("off", "on", "what was acknowledged must outlive a crash"),
        ("local", "on", "and a failover"),
        ("remote_apply", "remote_apply", "an operator who asks for more gets it"),
    ],
)
async def test_a_commit_is_durable_whatever_the_default_is(
    postgres_server: PostgresServer, postgres_url: str, default: str, ours: str, reason: str
) -> None:
    postgres_server.set_default(postgres_url, "synchronous_commit", default)
    async with replica(postgres_url) as db:
        assert await shown(db, "synchronous_commit") == ours, reason
        assert (await shown_as_a_whole(db))["synchronous_commit"] == ours, reason


@pytest.mark.parametrize("default", ["read committed", "serializable"])
async def test_a_transaction_in_one_go_has_its_limits_and_is_one(
    postgres_server: PostgresServer, postgres_url: str, default: str
) -> None:
    postgres_server.set_default(postgres_url, "default_transaction_isolation", default)
    async with replica(postgres_url) as db:
        told = await shown_as_a_whole(db)
        assert (told["lock_timeout"], told["idle_in_transaction_session_timeout"]) == ("4s", "5s")
        assert told["same"] == "true"
        with pytest.raises(ZeroDivisionError):
            await db.write_whole(break_after_writing)
        assert (await shown_as_a_whole(db))["probes"] == "0"


def break_after_writing(tx: WholeTransaction) -> None:
    tx.connection.execute(text("INSERT INTO write_probes VALUES (gen_random_uuid(), now())"))
    raise ZeroDivisionError


@pytest.mark.parametrize("default", ["serializable", "repeatable read", "read uncommitted"])
async def test_the_isolation_is_ours_whatever_the_default_is(
    postgres_server: PostgresServer, postgres_url: str, default: str
) -> None:
    postgres_server.set_default(postgres_url, "default_transaction_isolation", default)
    async with replica(postgres_url) as db:
        assert await shown(db, "transaction_isolation") == "read committed"
        assert (await shown_as_a_whole(db))["transaction_isolation"] == "read committed"
        async with db.read() as session:
            assert (
                await session.execute(text("SHOW transaction_isolation"))
            ).scalar_one() == "read committed"
