"""What CloudPress shows of an order that it has."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.columns import Base, EncryptedBytes, JSONDocument, UTCDateTime


class Task(Base):
    """A task of CloudPress that works on an order."""

    __tablename__ = "tasks"
    # Whose a number is that CloudPress gives, perhaps a second time.
    __table_args__ = (Index("ix_tasks_id", "id"),)

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    answer: Mapped[bytes | None] = mapped_column(EncryptedBytes, deferred=True)
    # Whether CloudPress showed it as that of what the order holds: NULL where it never has, as of one that an
    # answer named, and false where it names another one by now.
    is_own: Mapped[bool | None] = mapped_column()


class Site(Base):
    """The finished site of an order."""

    __tablename__ = "sites"
    # No two orders have one site.
    __table_args__ = (Index("ix_sites_id", "id"),)

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Text)
    # What the API shows of it; everything else stays in `answer`.
    details: Mapped[dict[str, Any]] = mapped_column(JSONDocument)
    ssh_password: Mapped[bytes | None] = mapped_column(EncryptedBytes, deferred=True)
    answer: Mapped[bytes] = mapped_column(EncryptedBytes, deferred=True)
    read_at: Mapped[datetime] = mapped_column(UTCDateTime)
