"""Who may order, and for which CloudPress account."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.db.columns import Base, EncryptedBytes, JSONDocument, UTCDateTime
from app.db.models.leased import NullableDocument


class Account(Base):
    """A CloudPress account that orders are placed for, beside that of the environment."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str | None] = mapped_column(Text)
    token: Mapped[bytes] = mapped_column(EncryptedBytes, deferred=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)


class ApiKey(Base):
    """A client's key. The key itself is shown once and nowhere stored."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("hash"), UniqueConstraint("former_hash"))

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    # The first characters of the key, to recognise it by.
    start: Mapped[str] = mapped_column(String(16))
    hash: Mapped[str] = mapped_column(String(64))
    # After a rotation the key before it goes on working until then.
    former_hash: Mapped[str | None] = mapped_column(String(64))
    former_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    scopes: Mapped[list[str]] = mapped_column(JSONDocument)
    # NULL: every account.
    account_ids: Mapped[list[str] | None] = mapped_column(NullableDocument)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    rotated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
