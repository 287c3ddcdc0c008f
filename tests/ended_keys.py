"""Has API keys end, as time ends them."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import update

from app.db.database import Database
from app.db.models import ApiKey
from app.events.timeline import Actor
from app.keys.changing import rotate_key

ACTOR = Actor("the test")


async def expire(db: Database, key_id: UUID) -> None:
    """Let the time of a key be up, of which nobody is told."""
    async with db.write() as tx:
        past = tx.now - timedelta(seconds=1)
        await tx.session.execute(update(ApiKey).where(ApiKey.id == key_id).values(expires_at=past))


async def end_grace(db: Database, key_id: UUID) -> None:
    """Replace a key, and let the grace of the one before be up."""
    await rotate_key(db, key_id, grace_seconds=60, by=ACTOR)
    async with db.write() as tx:
        past = tx.now - timedelta(seconds=1)
        await tx.session.execute(update(ApiKey).where(ApiKey.id == key_id).values(former_until=past))
