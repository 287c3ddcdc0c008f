"""API keys: made, found by their hash, rotated, revoked. The database only; a key is shown once."""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.db.account_bounds import most_of_one
from app.db.database import Database, Transaction
from app.db.errors import DATABASE_AWAY, repeated
from app.db.models import ApiKey
from app.db.paging import newest
from app.events.timeline import Actor, record
from app.events.types import EventType

PREFIX = "phk_"
"""What every key begins with, so that a secret scanner recognises one."""
RANDOM_BYTES = 32
SHOWN_CHARACTERS = len(PREFIX) + 6
LAST_USE_RESOLUTION = timedelta(minutes=1)
COMMAND_LINE = Actor("presshook keys")
"""Who changes keys in the database itself, as timelines tell it."""
RESERVED_NAMES = frozenset({"api_key", COMMAND_LINE.name})
"""What timelines call others than stored keys: the environment's key, and the command line."""


INVISIBLE = frozenset({"Cf", "Mn", "Me"})
"""Unicode's categories of what a reader may not see: joiners, marks of direction, spaces of no width."""
MOST_KEYS = 500
"""So many keys that work may see the same account: a tenant may make keys, and webhooks with each."""


class BeyondOwnKeyError(Exception):
    """A key is to give more than it has, or to end what lasts longer; the text says so."""


class TooManyKeysError(Exception):
    """There are as many keys as there may be for one of these accounts."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(f"There are {MOST_KEYS} keys for one of these accounts already: revoke one first.")


class Scope(StrEnum):
    """What a key may do."""

    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    ORDERS_ERASE = "orders:erase"
    CREDENTIALS_READ = "credentials:read"
    ACCOUNTS_WRITE = "accounts:write"
    KEYS_WRITE = "keys:write"
    WEBHOOKS_WRITE = "webhooks:write"
    METRICS_READ = "metrics:read"


@dataclass(frozen=True)
class Grant:
    """Whose key was presented and what it may do.

    `identity` outlives the key's rotation and owns its idempotency keys; `name` is what timelines show.
    `account_ids` is None for every account, `expires_at` for a key that goes on working; that of a key that
    was replaced is the end of its grace at the latest.
    """

    identity: str
    name: str
    scopes: frozenset[str] = frozenset(Scope)
    account_ids: frozenset[str] | None = None
    expires_at: datetime | None = None
    key_id: UUID | None = None
    """None for the environment's key."""
    lasts_seconds: float | None = None
    """How much longer it is let in by itself, as of the check; None for ever."""
    digest: str | None = field(default=None, repr=False)
    """Of the key as it was presented, which may be one that was replaced; None for the environment's key."""

    @property
    def actor(self) -> Actor:
        """Who acts by this key, as timelines tell it."""
        return Actor(self.name, self.key_id)

    def may_see(self, account_id: str) -> bool:
        """Tell whether the account and its orders exist for this key."""
        return self.account_ids is None or account_id in self.account_ids

    def covers(self, scopes: Iterable[str], account_ids: Iterable[str] | None) -> bool:
        """Tell whether this key may do all that another one may."""
        within = self.account_ids is None or (
            account_ids is not None and self.account_ids.issuperset(account_ids)
        )
        # The environment's key may do everything, also what a newer release lets a key do.
        return within and (self.key_id is None or self.scopes.issuperset(scopes))

    def includes(self, key: ApiKey) -> bool:
        """Tell whether a stored key exists for this one: it is its own, or one that it could have made."""
        return key.id == self.key_id or self.gives(key)

    def gives(self, key: "ApiKey | NewKey") -> bool:
        """Tell whether a key may do no more than this one, for no longer."""
        return self.covers(key.scopes, key.account_ids) and self._outlasts(key.expires_at)

    def rules(self, key: ApiKey) -> bool:
        """Tell whether this key may replace and revoke a stored one: none that was replaced ends what has."""
        was_replaced = key.id == self.key_id and key.hash != self.digest
        return not was_replaced and self.gives(key)

    def _outlasts(self, expires_at: datetime | None) -> bool:
        return self.expires_at is None or (expires_at is not None and expires_at <= self.expires_at)


@dataclass(frozen=True)
class NewKey:
    """What a key is made of."""

    name: str
    scopes: tuple[str, ...]
    account_ids: tuple[str, ...] | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class MadeKey:
    """A stored key, and the key itself, which is told this once."""

    stored: ApiKey
    key: str

    def __repr__(self) -> str:
        """Tell nothing of the key."""
        return f"MadeKey({self.stored.start}…)"


def is_reserved(name: str) -> bool:
    """Tell whether a key of this name would pass for somebody else in a timeline, to whoever reads it."""
    seen = unicodedata.normalize("NFKC", name)
    visible = "".join(character for character in seen if unicodedata.category(character) not in INVISIBLE)
    return " ".join(visible.split()).casefold() in RESERVED_NAMES


def digest_of(key: str) -> str:
    """Return what is stored of a key, and what a browser that signed in with it keeps, sealed."""
    # A key is random and long, so one round tells nothing of it and costs a request nothing.
    return hashlib.sha256(key.encode()).hexdigest()


def _new_key() -> str:
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


@repeated
async def make_key(db: Database, new: NewKey, *, by: Grant | Actor) -> MadeKey:
    """Make a key; `by` is the key that does, or who needs none, as the service's timeline tells it.

    Raises:
        BeyondOwnKeyError: the key that does may not do as much itself, or not for as long.
        KeyRefusedError: it is let in no more.
        TooManyKeysError: there are as many as there may be for one of the accounts.
    """
    key = _new_key()
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
        by = _let_in(found.get(by.key_id), by.digest, tx.now)
    return by, None if key_id is None else found.get(key_id)


async def _count_for(session: AsyncSession, account_ids: tuple[str, ...] | None, now: datetime) -> int:
    """Return how many keys that work may see the one of these accounts that the most may see."""
    works = ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    return most_of_one(await session.scalars(select(ApiKey.account_ids).where(*works)), account_ids)


async def find_keys(session: AsyncSession) -> tuple[ApiKey, ...]:
    """Return all keys, the newest first."""
    return tuple(await session.scalars(select(ApiKey).order_by(ApiKey.id.desc())))


async def find_keys_within(
    session: AsyncSession, grant: Grant, *, before: UUID | None, limit: int
) -> tuple[ApiKey, ...]:
    """Return up to `limit` keys that may do no more than a grant and were not revoked, the newest first.

    `before` is the last of the page before.
    """
    unrevoked = select(ApiKey).where(ApiKey.revoked_at.is_(None))
    return await newest(session, unrevoked, ApiKey.id, shown=grant.includes, before=before, limit=limit)


async def find_key(session: AsyncSession, key_id: UUID) -> ApiKey | None:
    """Return a key, None if there is none with that id."""
    return await session.get(ApiKey, key_id)


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
    key = _new_key()
    async with db.write() as tx:
        by, stored = await _locked(tx, by, key_id)
        if stored is None or stored.revoked_at is not None:
            return None
        if _has_expired(stored, tx.now):
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


class KeyRefusedError(Exception):
    """A key is not let in; the text says why, for the operator alone."""


def require_form(presented: str) -> None:
    """Refuse what cannot be a stored key, whatever the database holds.

    Raises:
        KeyRefusedError: it does not begin as every key does.
    """
    if not presented.startswith(PREFIX):
        raise KeyRefusedError("unknown key")


async def authenticate(db: Database, presented: str) -> Grant:
    """Return what a presented key may do; its last use is noted to the minute.

    Raises:
        KeyRefusedError: it is unknown, revoked, expired, or was replaced.
    """
    require_form(presented)
    return await authenticate_digest(db, digest_of(presented))


async def authenticate_digest(db: Database, digest: str) -> Grant:
    """Return what the key with a digest may do, as `authenticate` does.

    Raises:
        KeyRefusedError: it is unknown, revoked, expired, or was replaced.
    """
    async with db.read() as session:
        known = select(ApiKey).where(or_(ApiKey.hash == digest, ApiKey.former_hash == digest))
        stored = (await session.scalars(known)).one_or_none()
        now = await db.now(session)
    grant = _let_in(stored, digest, now)
    if stored is not None and (
        stored.last_used_at is None or now - stored.last_used_at >= LAST_USE_RESOLUTION
    ):
        # Whoever may read may read on where nothing can be written. Why, is told where it is noticed.
        with suppress(*DATABASE_AWAY):
            await _note_use(db, stored.id, digest)
    return grant


def _let_in(stored: ApiKey | None, digest: str | None, now: datetime) -> Grant:
    """Return what the key with a digest may do.

    Raises:
        KeyRefusedError: it is unknown, revoked, expired, or was replaced.
    """
    if stored is None:
        raise KeyRefusedError("unknown key")
    until = _check(stored, digest, now)
    return Grant(
        str(stored.id),
        stored.name,
        frozenset(stored.scopes),
        None if stored.account_ids is None else frozenset(stored.account_ids),
        until,
        stored.id,
        None if until is None else (until - now).total_seconds(),
        digest,
    )


def _has_expired(stored: ApiKey, now: datetime) -> bool:
    return stored.expires_at is not None and stored.expires_at <= now


def _check(stored: ApiKey, digest: str | None, now: datetime) -> datetime | None:
    """Return when the presented key is let in no more by itself, None for never."""
    if stored.revoked_at is not None:
        raise KeyRefusedError("revoked key")
    if _has_expired(stored, now):
        raise KeyRefusedError("expired key")
    is_former = stored.hash != digest
    if is_former and (stored.former_until is None or stored.former_until <= now):
        raise KeyRefusedError("replaced key")
    if not is_former:
        return stored.expires_at
    # It ends before what has replaced it, however long its grace is: else a key that it gives could last as
    # long as that one, and end it.
    ends = [stored.former_until, stored.expires_at and stored.expires_at - timedelta.resolution]
    return min(moment for moment in ends if moment is not None)


@repeated
async def _note_use(db: Database, key_id: UUID, digest: str) -> None:
    async with db.write() as tx:
        stored = await tx.session.get(ApiKey, key_id, with_for_update=True)
        _let_in(stored, digest, tx.now)  # whoever ends the key may have held its row until now
        if stored is not None:
            stored.last_used_at = tx.now
