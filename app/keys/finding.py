"""Stored keys, one or page by page."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ApiKey
from app.db.paging import newest
from app.keys.grants import Grant


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
