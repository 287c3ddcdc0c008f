"""What is known of where an order is: its attempts, its callbacks, what was looked up."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.columns import Base, EncryptedBytes, JSONDocument, UTCDateTime
from app.db.models.leased import NullableDocument, RowNumber

RESTORED = "restored"
"""Stands for the key of an attempt that a restored database may have lost; also the event that says so."""
CLAIMING = "claimed <> '[]'"
"""Whether something is kept of what an order's own callbacks named."""


class Placement(Base):
    """One attempt to place an order, written before anything is sent."""

    __tablename__ = "placements"
    # Who else was sent at about that time proves what a look-up can see; and what one order was answered with
    # is no other's.
    __table_args__ = (
        Index("ix_placements_sent_at", "sent_at"),
        Index("ix_placements_cloudpress_order_id", "cloudpress_order_id"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sent_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # The same by the uptime of the machine that sent it (`Clock.uptime`), and by CloudPress's own clock, as
    # far as that was known right before.
    sent_boot: Mapped[str | None] = mapped_column(Text)
    sent_uptime: Mapped[float | None] = mapped_column(Double)
    cloudpress_sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The last of the strangers that had been seen by then: those were there before.
    strangers_before: Mapped[int | None] = mapped_column(BigInteger)
    # NULL until it is known how the attempt ended; a crash leaves it so.
    outcome: Mapped[str | None] = mapped_column(String(20))
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    http_status: Mapped[int | None] = mapped_column(Integer)
    reasons: Mapped[list[str] | None] = mapped_column(JSONDocument)
    cloudpress_order_id: Mapped[str | None] = mapped_column(Text)
    # Which SECRET_KEY signs the callback, so that it is known when that key may go.
    callback_key_id: Mapped[str] = mapped_column(String(16))
    # The trace that the request was part of, so that the callback can be linked to it. (W3C `traceparent`)
    traceparent: Mapped[str | None] = mapped_column(String(55))
    answer: Mapped[bytes | None] = mapped_column(EncryptedBytes, deferred=True)


class LookUp(Base):
    """How far the look-up of an order has come, and what the complete ones have shown.

    (`reconciler/progress`)
    """

    __tablename__ = "look_ups"
    # Of the many orders that are sought, those few of whose callbacks something is kept.
    __table_args__ = (
        Index(
            "ix_look_ups_claiming", "order_id", postgresql_where=text(CLAIMING), sqlite_where=text(CLAIMING)
        ),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    # The last attempt that may have made an order: what was seen before it says nothing.
    attempt: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # Since when each machine knows of that attempt, by its uptime: the grace is counted from there.
    known_since: Mapped[dict[str, float]] = mapped_column(JSONDocument, default=dict, server_default="{}")
    # NULL while none is under way.
    begun_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Whether it, or the last that ended, was begun after the grace.
    begun_late: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # The page of the list that comes next; NULL once all were read. Of those that were, digests.
    page: Mapped[int | None] = mapped_column(Integer)
    pages: Mapped[list[str]] = mapped_column(JSONDocument, default=list, server_default="[]")
    entries: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # What was listed, once all was read only what nobody of ours holds; and the orders of ours that have to
    # be listed.
    listed: Mapped[dict[str, Any]] = mapped_column(JSONDocument, default=dict, server_default="{}")
    canaries: Mapped[dict[str, Any]] = mapped_column(JSONDocument, default=dict, server_default="{}")
    unseen: Mapped[list[str]] = mapped_column(JSONDocument)
    candidates: Mapped[list[str]] = mapped_column(JSONDocument)
    suspects: Mapped[list[str]] = mapped_column(JSONDocument)
    completed: Mapped[int] = mapped_column(Integer)
    doubts: Mapped[list[str]] = mapped_column(JSONDocument, default=list, server_default="[]")
    last_begun_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # What operators knew of who had the order placed again, whichever attempt that led to: it is not adopted.
    ruled_out: Mapped[list[str]] = mapped_column(JSONDocument, default=list, server_default="[]")
    # Whether an operator named a CloudPress order as this one that it cannot be: he has seen something.
    adopted_in_vain: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # What the order's own callbacks named for good; or had named when another order had that by its name, or
    # by an answer that no callback of that one's confirmed.
    claimed: Mapped[list[str]] = mapped_column(JSONDocument, default=list, server_default="[]")
    # A doubt that stands beside the others, for the release before this one does not know it.
    taken_by_name: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # By CloudPress order that is listed: at how many looks in a row it was not shown.
    unshown: Mapped[dict[str, int]] = mapped_column(JSONDocument, default=dict, server_default="{}")
    # When the last one ended, by the uptime of the machine that ended it.
    ended_boot: Mapped[str | None] = mapped_column(Text)
    ended_uptime: Mapped[float | None] = mapped_column(Double)


class Stranger(Base):
    """A CloudPress order of an account that no order of ours held when a look-up listed it."""

    __tablename__ = "strangers"
    __table_args__ = (UniqueConstraint("account_id", "cloudpress_order_id"),)

    # In the order in which they were first seen: what has a lower number than an attempt was there before it.
    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    account_id: Mapped[str] = mapped_column(Text)
    cloudpress_order_id: Mapped[str] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Callback(Base):
    """A callback that was let in, once per body; repeats are counted."""

    __tablename__ = "callbacks"
    # Whose callback names a task that another order's CloudPress order has.
    __table_args__ = (UniqueConstraint("order_id", "body_sha256"), Index("ix_callbacks_task_id", "task_id"))

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    body_sha256: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes] = mapped_column(EncryptedBytes, deferred=True)
    # The task that the body names, if it does: a hint, never the truth.
    task_id: Mapped[int | None] = mapped_column(BigInteger)
    # When CloudPress was asked about that task, and it led to something; NULL until then.
    checked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Since when each machine has met with it that the task cannot be read, or that it is read and leads to no
    # order yet, by its uptime (`Clock.uptime`).
    unread_since: Mapped[dict[str, float] | None] = mapped_column(NullableDocument)
    untold_since: Mapped[dict[str, float] | None] = mapped_column(NullableDocument)
    # When an operator had the order placed again all the same, gave it up, or dismissed it.
    overruled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    count: Mapped[int] = mapped_column(Integer, default=1)
    first_received_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_received_at: Mapped[datetime] = mapped_column(UTCDateTime)
