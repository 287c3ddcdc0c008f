"""Whether a key is let in, also one that was replaced and is in its grace. It is found by its hash."""

from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select

from app.db.database import Database
from app.db.errors import DATABASE_AWAY, repeated
from app.db.models import ApiKey
from app.keys.form import PREFIX, digest_of
from app.keys.grants import Grant

LAST_USE_RESOLUTION = timedelta(minutes=1)


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
    grant = let_in(stored, digest, now)
    if stored is not None and (
        stored.last_used_at is None or now - stored.last_used_at >= LAST_USE_RESOLUTION
    ):
        # Whoever may read may read on where nothing can be written. Why, is told where it is noticed.
        with suppress(*DATABASE_AWAY):
            await _note_use(db, stored.id, digest)
    return grant


def let_in(stored: ApiKey | None, digest: str | None, now: datetime) -> Grant:
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


def has_expired(stored: ApiKey, now: datetime) -> bool:
    """Tell whether a key has come to its end."""
    return stored.expires_at is not None and stored.expires_at <= now


def _check(stored: ApiKey, digest: str | None, now: datetime) -> datetime | None:
    """Return when the presented key is let in no more by itself, None for never."""
    if stored.revoked_at is not None:
        raise KeyRefusedError("revoked key")
    if has_expired(stored, now):
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
        let_in(stored, digest, tx.now)  # whoever ends the key may have held its row until now
        if stored is not None:
            stored.last_used_at = tx.now
