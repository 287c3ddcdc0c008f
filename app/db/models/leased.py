"""What the tables share: their odd types, and rows that one process at a time holds."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Double, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from app.db.columns import Base, UTCDateTime

# None is stored as NULL, not as the JSON value null.
NullableDocument = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# SQLite numbers rows by itself only where the key is declared INTEGER.
RowNumber = BigInteger().with_variant(Integer(), "sqlite")


def _due_at(context: DefaultExecutionContext) -> datetime | None:
    due_at: datetime | None = context.get_current_parameters()["due_at"]  # type: ignore[no-untyped-call]
    return due_at


class Leased(Base):
    """A row that knows when it is due, and that one process at a time holds. (`app/queue/leases.py`)"""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # When that was decided, or found true as it was claimed. Where this is yet to come, the clock was ahead
    # then and has been put right.
    scheduled_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=_due_at)
    lease_token: Mapped[UUID | None] = mapped_column(Uuid)
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The same by the holder's machine (`Clock.uptime`), which no step of a clock bends.
    lease_boot: Mapped[str | None] = mapped_column(Text)
    lease_ends_at_uptime: Mapped[float | None] = mapped_column(Double)
    # Counted up by whoever has news for the row, so that a holder sees that there was some.
    wakes: Mapped[int] = mapped_column(Integer, default=0)
