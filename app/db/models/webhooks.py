"""The outbox: what applications are to be told."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.columns import Base, EncryptedBytes, UTCDateTime
from app.db.models.events import Event
from app.db.models.leased import Leased, NullableDocument


class Webhook(Base):
    """An address of an application that is told of events."""

    __tablename__ = "webhooks"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    # NULL: every type.
    event_types: Mapped[list[str] | None] = mapped_column(NullableDocument)
    # What the key that made it may see: NULL is every account.
    account_ids: Mapped[list[str] | None] = mapped_column(NullableDocument)
    is_enabled: Mapped[bool] = mapped_column(Boolean)
    # Why the service itself disabled it.
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    failing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    secret: Mapped[bytes] = mapped_column(EncryptedBytes, deferred=True)
    # After a rotation both sign until then.
    former_secret: Mapped[bytes | None] = mapped_column(EncryptedBytes, deferred=True)
    former_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Delivery(Leased):
    """An event on its way to a webhook."""

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'delivered', 'failed')", name="status_known"),
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_deliveries_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "ix_deliveries_webhook_id_due_at",
            "webhook_id",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        # What lists of deliveries go by, the newest first.
        Index("ix_deliveries_webhook_id_id", "webhook_id", "id"),
        Index("ix_deliveries_webhook_id_status_id", "webhook_id", "status", "id"),
        Index("ix_deliveries_event_id", "event_id"),
    )

    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    # NULL: a test, which no event has caused.
    event_id: Mapped[int | None] = mapped_column(ForeignKey("events.id"))
    event: Mapped[Event | None] = relationship(lazy="selectin")
    status: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    # Attempts since the delivery was made or asked for again, by which waiting grows.
    failures: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    response_status: Mapped[int | None] = mapped_column(Integer)
    # The beginning of the last answer.
    response_excerpt: Mapped[str | None] = mapped_column(Text)
    # What went wrong at the last attempt.
    error: Mapped[str | None] = mapped_column(Text)


class DeliveryAttempt(Base):
    """One attempt to deliver, and what came of it; it goes with its delivery."""

    __tablename__ = "delivery_attempts"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    ended_at: Mapped[datetime] = mapped_column(UTCDateTime)
    duration_ms: Mapped[int] = mapped_column(Integer)
    response_status: Mapped[int | None] = mapped_column(Integer)
    response_excerpt: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
