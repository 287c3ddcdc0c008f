"""Keys are made, rotated and revoked. A key is shown once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.db.account_bounds import most_of_one
from app.db.database import Database
from app.db.errors import repeated
from app.db.models import ApiKey
from app.db.transactions import Transaction
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.keys.authentication import has_expired, let_in
from app.keys.form import SHOWN_CHARACTERS, digest_of, new_key
from app.keys.grants import Grant, NewKey

MOST_KEYS = 500
"""So many keys that work may see the same account: a tenant may make keys, and webhooks with each."""


class BeyondOwnKeyError(Exception):
    """A key is to give more than it has, or to end what lasts longer; the text says so."""


class TooManyKeysError(Exception):
    """There are as many keys as there may be for one of these accounts."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(f"There are {MOST_KEYS} keys for one of these accounts already: revoke one first.")


class KeyExpiredError(Exception):
    """A key that is to be replaced has expired; the text says what to do."""


class RotationUnderWayError(Exception):
    """A key was replaced a while ago and is to be again, while the one before it has to go on."""

    def __init__(self, until: datetime) -> None:
        """Say until when, and what to do."""
        after = until + timedelta(seconds=1)  # it is told in whole ones
        super().__init__(
            f"The key was replaced before, and the one it had then goes on working until "
            f"{after:%Y-%m-%dT%H:%M:%SZ}, as was promised: wait until then, or rotate with a grace of 0, "
            "which ends all former ones at once."
        )


@dataclass(frozen=True)
class MadeKey:
    """A stored key, and the key itself, which is told this once."""

    stored: ApiKey
    key: str

    def __repr__(self) -> str:
        """Tell nothing of the key."""
        return f"MadeKey({self.stored.start}…)"


@repeated
async def make_key(db: Database, new: NewKey, *, by: Grant | Actor) -> MadeKey:
    """Make a key; `by` is the key that does, or who needs none, as the service's timeline tells it.

    Raises:
        BeyondOwnKeyError: the key that does may not do as much itself, or not for as long.
        KeyRefusedError: it is let in no more.
        TooManyKeysError: there are as many as there may be for one of the accounts.
    """
    key = new_key()
    async with db.write() as tx:
        by, _ = await _locked(tx, by)
        if isinstance(by, Grant) and not by.gives(new):
            raise BeyondOwnKeyError(
                "An API key can give neither scopes nor accounts that it does not have, nor more time."
            )
        if await _count_for(tx.session, new.account_ids, tx.now) >= MOST_KEYS:
            raise TooManyKeysError
        stored = ApiKey(
            id=uuid7(),
            name=new.name,
            start=key[:SHOWN_CHARACTERS],
            hash=digest_of(key),
            scopes=sorted(set(new.scopes)),
            account_ids=None if new.account_ids is None else sorted(set(new.account_ids)),
            created_at=tx.now,
            expires_at=new.expires_at,
        )
        tx.session.add(stored)
        record(tx, None, EventType.KEY_CREATED, key=str(stored.id), by=_actor(by))
        return MadeKey(stored, key)


def _actor(by: Grant | Actor) -> Actor:
    return by.actor if isinstance(by, Grant) else by


def _require_rule(by: Grant | Actor, stored: ApiKey) -> None:
    if isinstance(by, Grant) and not by.rules(stored):
        raise BeyondOwnKeyError(
            "An API key that was replaced, or ends before another one, can neither replace nor revoke that "
            "one: use the key that replaced it."
        )


async def _locked(
    tx: Transaction, by: Grant | Actor, key_id: UUID | None = None
) -> tuple[Grant | Actor, ApiKey | None]:
    """Lock the key that asks and the one that it is about; return what the former may do now, and the latter.

    The key that asks was let in before, and may have ended or been replaced meanwhile.

    Raises:
        KeyRefusedError: it is let in no more.
    """
    ids = {each for each in (by.key_id, key_id) if each is not None}
    # One statement and one order: of two keys that change each other at once, none waits for the other.
    locking = select(ApiKey).where(ApiKey.id.in_(ids)).order_by(ApiKey.id).with_for_update()
    found = {each.id: each for each in await tx.session.scalars(locking)} if ids else {}
    if isinstance(by, Grant) and by.key_id is not None:
        by = let_in(found.get(by.key_id), by.digest, tx.now)
    return by, None if key_id is None else found.get(key_id)


async def _count_for(session: AsyncSession, account_ids: tuple[str, ...] | None, now: datetime) -> int:
    """Return how many keys that work may see the one of these accounts that the most may see."""
    works = ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    return most_of_one(await session.scalars(select(ApiKey.account_ids).where(*works)), account_ids)


@repeated
async def rotate_key(
    db: Database, key_id: UUID, *, grace_seconds: float, by: Grant | Actor
) -> MadeKey | None:
    """Give a key a new secret; the one before it works for `grace_seconds` more. `by` is as for `make_key`.

    None if there is no such key, or it was revoked.

    Raises:
        BeyondOwnKeyError: the key that asks may not replace it.
        KeyExpiredError: it has expired, and a new secret would not be let in either.
        KeyRefusedError: the key that asks is let in no more.
        RotationUnderWayError: another grace still runs, and only one key before it can be kept.
    """
    key = new_key()
    async with db.write() as tx:
        by, stored = await _locked(tx, by, key_id)
        if stored is None or stored.revoked_at is not None:
            return None
        if has_expired(stored, tx.now):
            raise KeyExpiredError("The key has expired, also with a new secret: make a new key.")
        if grace_seconds > 0 and stored.former_until is not None and stored.former_until > tx.now:
            raise RotationUnderWayError(stored.former_until)
        # Not before: whoever lost a rotation's answer and sends it again is told what has happened.
        _require_rule(by, stored)
        stored.former_hash = stored.hash if grace_seconds > 0 else None
        stored.former_until = tx.now + timedelta(seconds=grace_seconds) if grace_seconds > 0 else None
        stored.hash, stored.start = digest_of(key), key[:SHOWN_CHARACTERS]
        stored.rotated_at = tx.now
        tx.announce(changed=key_id)
        record(tx, None, EventType.KEY_ROTATED, key=str(key_id), by=_actor(by))
        return MadeKey(stored, key)


@repeated
async def revoke_key(db: Database, key_id: UUID, *, by: Grant | Actor) -> bool:
    """Let a key in no more, and end what it has open; return False if there is none with that id.

    `by` is as for `make_key`.

    Raises:
        BeyondOwnKeyError: the key that asks may not end it.
        KeyRefusedError: the key that asks is let in no more.
    """
    async with db.write() as tx:
        by, stored = await _locked(tx, by, key_id)
        if stored is None:
            return False
        _require_rule(by, stored)
        if stored.revoked_at is None:
            stored.revoked_at = tx.now
            tx.announce(changed=key_id)
            record(tx, None, EventType.KEY_REVOKED, key=str(key_id), by=_actor(by))
        stored.former_hash = stored.former_until = None
        return True
