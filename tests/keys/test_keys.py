"""Keys that ask for something while they end: what they may do is looked at where it is done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.db.database import Database
from app.db.models import ApiKey
from app.keys import authentication
from app.keys.authentication import KeyRefusedError, authenticate
from app.keys.changing import (
    BeyondOwnKeyError,
    MadeKey,
    RotationUnderWayError,
    make_key,
    revoke_key,
    rotate_key,
)
from app.keys.grants import Grant, NewKey, Scope
from tests.ended_keys import ACTOR, end_grace, expire
from tests.harness import eventually, replica, waiting_for_locks

NEW = NewKey("survivor", (Scope.ORDERS_READ,))
Do = Callable[[Database, Grant, UUID], Coroutine[Any, Any, None]]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with replica(database_url) as db:
        yield db


async def make(db: Database, expires_at: datetime | None = None) -> MadeKey:
    return await make_key(
        db, NewKey("shop", (Scope.KEYS_WRITE, Scope.ORDERS_READ), None, expires_at), by=ACTOR
    )


async def stored(db: Database) -> list[tuple[UUID, str, datetime | None]]:
    async with db.read() as session:
        rows = await session.execute(select(ApiKey.id, ApiKey.hash, ApiKey.revoked_at).order_by(ApiKey.id))
        return [(key_id, digest, revoked_at) for key_id, digest, revoked_at in rows]


async def makes(db: Database, grant: Grant, _key_id: UUID) -> None:
    await make_key(db, NEW, by=grant)


async def rotates(db: Database, grant: Grant, key_id: UUID) -> None:
    await rotate_key(db, key_id, grace_seconds=0, by=grant)


async def rotates_with_a_grace(db: Database, grant: Grant, key_id: UUID) -> None:
    await rotate_key(db, key_id, grace_seconds=60, by=grant)


async def revokes(db: Database, grant: Grant, key_id: UUID) -> None:
    await revoke_key(db, key_id, by=grant)


DOES = pytest.mark.parametrize("do", [makes, rotates, rotates_with_a_grace, revokes])
OWN = pytest.mark.parametrize("own", [True, False], ids=["itself", "another"])


@DOES
@OWN
@pytest.mark.parametrize(
    "end",
    [partial(revoke_key, by=ACTOR), partial(rotate_key, grace_seconds=0, by=ACTOR), expire, end_grace],
    ids=["revoked", "rotated", "expired", "its grace over"],
)
async def test_a_key_that_has_ended_since_it_was_let_in_gives_and_ends_nothing(
    db: Database, do: Do, end: Callable[[Database, UUID], Awaitable[Any]], *, own: bool
) -> None:
    asks, other = await make(db), await make(db)
    grant = await authenticate(db, asks.key)
    await end(db, asks.stored.id)
    before = await stored(db)
    with pytest.raises(KeyRefusedError):
        await do(db, grant, asks.stored.id if own else other.stored.id)
    assert await stored(db) == before


@DOES
async def test_whoever_ends_a_key_is_not_overtaken_by_what_it_asked_for(database_url: str, do: Do) -> None:
    """It was asked for before the end was committed, and waited for the key's row."""
    async with replica(database_url) as one, replica(database_url) as other:
        asks, another = await make(one), await make(one)
        grant = await authenticate(one, asks.key)
        async with one.write() as tx:
            ended = await tx.session.get(ApiKey, asks.stored.id, with_for_update=True)
            assert ended is not None
            ended.revoked_at = tx.now
            await tx.session.flush()
            asking = asyncio.create_task(do(other, grant, another.stored.id))
            if not one.is_sqlite:  # it waits for its turn to write anyway
                await eventually(lambda: waiting_for_locks(one), lambda count: count > 0)
        before = await stored(one)
        with pytest.raises(KeyRefusedError):
            await asking
        assert await stored(one) == before


async def test_a_key_that_ends_while_its_use_is_noted_is_not_let_in(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = await make(db)
    note_use = authentication._note_use

    async def late(db: Database, key_id: UUID, digest: str) -> None:
        await revoke_key(db, key_id, by=ACTOR)
        await note_use(db, key_id, digest)

    monkeypatch.setattr(authentication, "_note_use", late)
    with pytest.raises(KeyRefusedError):
        await authenticate(db, asks.key)


async def test_two_keys_that_change_each_other_at_once_wait_for_nothing(database_url: str) -> None:
    async with replica(database_url) as one, replica(database_url) as other:
        both = [await make(one), await make(one)]
        grants = [await authenticate(one, key.key) for key in both]
        for _ in range(20):
            done = await asyncio.gather(
                rotate_key(one, both[1].stored.id, grace_seconds=0, by=grants[0]),
                rotate_key(other, both[0].stored.id, grace_seconds=0, by=grants[1]),
                return_exceptions=True,
            )
            # The one that comes first has ended the other.
            rotated = [number for number, each in enumerate(done) if isinstance(each, MadeKey)]
            assert len(rotated) == 1, done
            assert isinstance(done[1 - rotated[0]], KeyRefusedError)
            made = done[rotated[0]]
            assert isinstance(made, MadeKey)
            grants[1 - rotated[0]] = await authenticate(one, made.key)


@DOES
async def test_a_key_that_was_replaced_since_it_was_let_in_has_its_grace_alone(db: Database, do: Do) -> None:
    asks = await make(db)
    grant = await authenticate(db, asks.key)
    await rotate_key(db, asks.stored.id, grace_seconds=60, by=ACTOR)
    before = await stored(db)
    with pytest.raises(RotationUnderWayError if do is rotates_with_a_grace else BeyondOwnKeyError):
        await do(db, grant, asks.stored.id)
    assert await stored(db) == before


async def test_of_two_rotations_at_once_with_a_grace_one_is_told_of_the_other(database_url: str) -> None:
    async with replica(database_url) as one, replica(database_url) as other:
        asks = await make(one)
        grant = await authenticate(one, asks.key)
        done = await asyncio.gather(
            *(rotate_key(db, asks.stored.id, grace_seconds=60, by=grant) for db in (one, other)),
            return_exceptions=True,
        )
        made = [each for each in done if isinstance(each, MadeKey)]
        assert len(made) == 1
        assert any(isinstance(each, RotationUnderWayError) for each in done)
        for key in (asks.key, made[0].key):
            assert (await authenticate(one, key)).key_id == asks.stored.id


def test_a_grant_shows_nothing_of_its_key() -> None:
    assert "a digest" not in repr(Grant("1", "shop", digest="a digest"))
