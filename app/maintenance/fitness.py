"""Whether this process can work on the database as it is: read what is encrypted, and write."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, text

from app.db.columns import Base
from app.db.database import Database
from app.db.errors import sqlstate_of
from app.db.models import Callback, Event, WriteProbe
from app.db.upserts import insert_into
from app.maintenance.encrypted import encrypted_columns

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
NUMBERED = (Callback, Event)
LACKING = text(
    "SELECT wanted || ' on ' || name FROM unnest(CAST(:tables AS text[])) AS name, "
    "unnest(CAST(:rights AS text[])) AS wanted WHERE NOT has_table_privilege(to_regclass(name)::oid, wanted)"
)
FORGOTTEN_AFTER = timedelta(days=1)
PROOF_SECONDS = 2.0
LACKING_RIGHTS = "42501"


async def require_readable(db: Database) -> None:
    """See to it that the keys of `SECRET_KEY` fit what is stored: the newest value of each kind is read.

    An older one may be unreadable all the same; `presshook rekey` looks at each.

    Raises:
        UndecryptableError: a value was stored under a key that SECRET_KEY does not hold.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
    """
    async with db.read() as session:
        for table, columns in encrypted_columns():
            newest = [each.desc() for each in table.primary_key.columns]
            for column in columns:
                # What was erased is stored as nothing, under no key.
                found = select(column).where(column != b"").order_by(*newest).limit(1)
                (await session.execute(found)).scalar()


class Usability:
    """Whether the database lets this process do what it has to: it has the rights, and can write."""

    def __init__(self, db: Database) -> None:
        """Prepare; nothing is asked yet."""
        self._db = db
        self._process_id = uuid4()
        self._asking = asyncio.Lock()
        self._proven_at = -PROOF_SECONDS

    async def prove(self) -> None:
        """See to it that the database can be worked on; what was just proven is believed for a moment.

        Raises:
            PermissionError: its role lacks rights; the text says which.
            OSError, sqlalchemy.exc.SQLAlchemyError: it cannot be reached, or writes nothing.
        """
        # Anybody may ask, as often as he likes: what he costs is one row in a while.
        async with self._asking:
            if (error := self._db.outages.unwritable) is not None:
                if sqlstate_of(error) == LACKING_RIGHTS:
                    await _require_rights(self._db)  # which says what all is lacking
                raise error
            if time.monotonic() - self._proven_at < PROOF_SECONDS:
                return
            if not self._db.is_sqlite:
                await _require_rights(self._db)
            await _write(self._db, self._process_id)
            self._proven_at = time.monotonic()


async def _require_rights(db: Database) -> None:
    tables = [table.name for table in Base.metadata.sorted_tables]
    async with db.read() as session:
        missing = list(await session.scalars(LACKING, {"tables": tables, "rights": list(RIGHTS)}))
        for numbered in NUMBERED:
            sequence = func.pg_get_serial_sequence(numbered.__tablename__, "id")
            if not (await session.execute(select(func.has_sequence_privilege(sequence, "USAGE")))).scalar():
                missing.append(f"USAGE on the sequence of {numbered.__tablename__}")
        if missing:
            raise PermissionError(f"the database's role lacks rights: {', '.join(missing)}")


async def _write(db: Database, process_id: UUID) -> None:
    """Commit a row of this process's own: nobody waits for it, and it waits for nobody."""
    async with db.write(is_urgent=True) as tx:
        insert = insert_into(WriteProbe, is_sqlite=db.is_sqlite)
        values = insert.values(id=process_id, written_at=tx.now)
        again = values.on_conflict_do_update(index_elements=["id"], set_={"written_at": tx.now})
        await tx.session.execute(again)
        gone = WriteProbe.written_at < tx.now - FORGOTTEN_AFTER
        await tx.session.execute(delete(WriteProbe).where(gone))
