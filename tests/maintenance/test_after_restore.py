"""What goes on after a restored backup: numbers of events that were never given before."""

from sqlalchemy import select

from app.db.database import Database
from app.db.models import Event
from app.db.url import async_database_url
from app.events.timeline import record
from app.events.types import EventType
from app.maintenance.after_restore import SKIPPED_NUMBERS, skip_event_numbers
from app.secrets import Encryption
from tests.settings import SECRET_KEY


async def numbers(db: Database) -> list[int]:
    async with db.read() as session:
        return list(await session.scalars(select(Event.id).order_by(Event.id)))


async def test_numbers_of_events_go_on_far_beyond_those_of_the_copy(database_url: str) -> None:
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    for skip in (False, True, False, True, False):
        before = [0, *await numbers(db)]
        if skip:
            await skip_event_numbers(db)
        else:
            async with db.write() as tx:
                record(tx, None, EventType.SERVICE_RESTORED)
        assert (await numbers(db))[-1] - before[-1] == (SKIPPED_NUMBERS if skip else 1)
    await db.dispose()
