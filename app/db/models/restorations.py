"""What is looked for after a backup was put back."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.columns import Base, JSONDocument, UTCDateTime
from app.db.models.leased import NullableDocument, RowNumber


class Restoration(Base):
    """That the database was restored or copied: what was accepted after `since` may be missing."""

    __tablename__ = "restorations"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    # The last thing that the copy knows of, by our clock.
    since: Mapped[datetime] = mapped_column(UTCDateTime)
    restored_at: Mapped[datetime] = mapped_column(UTCDateTime)


class OrphanSearch(Base):
    """That an account's orders at CloudPress are looked through after a restoration, until `done_at`."""

    __tablename__ = "orphan_searches"

    restoration_id: Mapped[int] = mapped_column(ForeignKey("restorations.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(Text, primary_key=True)
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # By CloudPress order that is listed and could not be read so far: how often, and for how long.
    unread: Mapped[dict[str, Any]] = mapped_column(JSONDocument, default=dict, server_default="{}")


class Orphan(Base):
    """A CloudPress order, made since a backup, that no row held when it was found. (`orders/orphans`)"""

    __tablename__ = "orphans"
    __table_args__ = (UniqueConstraint("account_id", "cloudpress_order_id"),)

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    account_id: Mapped[str] = mapped_column(Text)
    cloudpress_order_id: Mapped[str] = mapped_column(Text)
    cloudpress_status: Mapped[str | None] = mapped_column(Text)
    # NULL where CloudPress did not tell.
    site_name: Mapped[str | None] = mapped_column(Text)
    variant: Mapped[str | None] = mapped_column(Text)
    placed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    found_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # When an operator adopted or dismissed it, and who.
    settled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    settled: Mapped[dict[str, str] | None] = mapped_column(NullableDocument)
