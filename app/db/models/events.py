"""The timeline, and how far it was pruned."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.columns import Base, JSONDocument, UTCDateTime
from app.db.models.leased import Leased, NullableDocument, RowNumber


class Event(Base):
    """One thing that happened, mostly to an order, written in the transaction in which it happened."""

    __tablename__ = "events"
    # A number that was given is never given again, even if its event is deleted.
    __table_args__ = (Index("ix_events_order_id_id", "order_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    # NULL: what happened concerns no order, but the service itself.
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("orders.id"))
    type: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    # Never a secret.
    data: Mapped[dict[str, Any]] = mapped_column(JSONDocument)
    # The order as the API showed it, where the event is one that applications are told of.
    shown: Mapped[dict[str, Any] | None] = mapped_column(NullableDocument, deferred=True)


class Pruning(Leased):
    """The one row that replicas lease to prune what is old. A migration has made it."""

    __tablename__ = "prunings"

    # What is numbered up to here may be gone; nothing above it is.
    events_gone_through: Mapped[int] = mapped_column(BigInteger, default=0)
