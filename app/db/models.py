"""The tables. Every change of an order happens under a lock of its `orders` row."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.columns import Base, EncryptedBytes, JSONDocument, UTCDateTime
from app.states import FINAL, OrderStatus

# None is stored as NULL, not as the JSON value null.
NullableDocument = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# SQLite numbers rows by itself only where the key is declared INTEGER.
RowNumber = BigInteger().with_variant(Integer(), "sqlite")
_STATUSES = ", ".join(f"'{status}'" for status in OrderStatus)
TO_CLEAR = "finalized_at IS NOT NULL AND erased_at IS NULL"
ASKS = "attention_code IS NOT NULL"
TO_STRIP = "erased_at IS NOT NULL AND stripped_at IS NULL"
# Orders that may be meant by a CloudPress order which another order has found. (`reconciler/look_alikes.py`)
UNSETTLED = (
    "(cloudpress_order_id IS NULL AND (error_code IS NULL OR error_code <> 'rejected')"
    " OR late_look_at IS NOT NULL OR suspected_duplicates IS NOT NULL"
    " OR cloudpress_order_id_source = 'lookup')"
)
DISMISSED = "settled_duplicates IS NOT NULL"
_FINAL = ", ".join(sorted(f"'{status}'" for status in FINAL))


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


class Order(Leased):
    """What a client ordered, what became of it, and when it next needs attention."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(f"status IN ({_STATUSES})", name="status_known"),
        CheckConstraint(f"(finalized_at IS NOT NULL) = (status IN ({_FINAL}))", name="finalized_when_final"),
        UniqueConstraint("account_id", "cloudpress_order_id"),
        UniqueConstraint("idempotency_identity", "idempotency_key"),
        Index("ix_orders_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_orders_account_id_site_name", "account_id", "site_name"),
        # What lists of orders go by, the newest first.
        Index("ix_orders_created_at_id", "created_at", "id"),
        Index("ix_orders_status_created_at_id", "status", "created_at", "id"),
        Index("ix_orders_account_id_created_at_id", "account_id", "created_at", "id"),
        Index("ix_orders_account_id_status_created_at_id", "account_id", "status", "created_at", "id"),
        # What retention goes by, the oldest first.
        Index(
            "ix_orders_to_clear",
            "finalized_at",
            "id",
            postgresql_where=text(TO_CLEAR),
            sqlite_where=text(TO_CLEAR),
        ),
        Index(
            "ix_orders_unsettled",
            "account_id",
            "finalized_at",
            postgresql_where=text(UNSETTLED),
            sqlite_where=text(UNSETTLED),
        ),
        # What operators have said of which CloudPress orders. (`app/reconciler/evidence.py`)
        Index(
            "ix_orders_dismissed",
            "account_id",
            postgresql_where=text(DISMISSED),
            sqlite_where=text(DISMISSED),
        ),
        Index(
            "ix_orders_to_strip",
            "finalized_at",
            "id",
            postgresql_where=text(TO_STRIP),
            sqlite_where=text(TO_STRIP),
        ),
        Index(
            "ix_orders_attention",
            "created_at",
            "id",
            postgresql_where=text(ASKS),
            sqlite_where=text(ASKS),
        ),
        Index(
            "ix_orders_account_id_attention",
            "account_id",
            "created_at",
            "id",
            postgresql_where=text(ASKS),
            sqlite_where=text(ASKS),
        ),
        # How many ask for which cause, and since when, of all and of an account.
        Index(
            "ix_orders_asking",
            "attention_code",
            "attention_since",
            postgresql_where=text(ASKS),
            sqlite_where=text(ASKS),
        ),
        Index(
            "ix_orders_account_id_asking",
            "account_id",
            "attention_code",
            "attention_since",
            postgresql_where=text(ASKS),
            sqlite_where=text(ASKS),
        ),
    )

    status: Mapped[OrderStatus] = mapped_column(String(20))

    account_id: Mapped[str] = mapped_column(Text)
    site_name: Mapped[str] = mapped_column(Text)
    variant: Mapped[str] = mapped_column(Text)
    location: Mapped[str | None] = mapped_column(Text)
    plan: Mapped[str | None] = mapped_column(Text)
    return_url: Mapped[str | None] = mapped_column(Text)
    # The end user's page, where the client asked for one.
    progress_url: Mapped[str | None] = mapped_column(Text)
    client_metadata: Mapped[dict[str, str]] = mapped_column("metadata", JSONDocument)

    # Whose key, which key, and a digest of the body: the same key with another body is a conflict.
    idempotency_identity: Mapped[str | None] = mapped_column(Text)
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    idempotency_fingerprint: Mapped[str | None] = mapped_column(Text)

    cloudpress_order_id: Mapped[str | None] = mapped_column(Text)
    # How the id was learned: answer, callback, lookup or operator.
    cloudpress_order_id_source: Mapped[str | None] = mapped_column(Text)
    cloudpress_status: Mapped[str | None] = mapped_column(Text)
    cloudpress_answer: Mapped[bytes | None] = mapped_column(EncryptedBytes, deferred=True)
    payment_url: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(Text)
    error_detail: Mapped[str | None] = mapped_column(Text)
    error_reasons: Mapped[list[str] | None] = mapped_column(JSONDocument)
    attention_code: Mapped[str | None] = mapped_column(Text)
    attention_detail: Mapped[str | None] = mapped_column(Text)
    attention_since: Mapped[datetime | None] = mapped_column(UTCDateTime)

    # `Retry-After`: no wake-up makes the order due before this.
    not_before: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    # Passes in a row that found nothing new, by which waiting grows.
    quiet: Mapped[int] = mapped_column(Integer, default=0)
    missing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The same by the uptime of each machine that has met with it (`Clock.uptime`).
    missing_known_since: Mapped[dict[str, float] | None] = mapped_column(NullableDocument)
    # How many of its `wakes` the last pass knew which concluded anything. (`app/orders/waking.py`)
    seen_wakes: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # Since when no pass has learned anything: each request failed, or what is finished links no site.
    silent_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # For how long, counted from look to look, and of which silence that is told. (`reconciler/silences.py`)
    silent_known_since: Mapped[dict[str, float] | None] = mapped_column(NullableDocument)
    # What went wrong with CloudPress in the last pass, if that is what the order waits for.
    trouble_kind: Mapped[str | None] = mapped_column(Text)
    trouble_status: Mapped[int | None] = mapped_column(Integer)
    # An order that was placed more than once is looked for once more then.
    late_look_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # CloudPress orders beside the one held that may be this order, placed a second time.
    suspected_duplicates: Mapped[list[str] | None] = mapped_column(NullableDocument)
    # Those that were and no longer are: cancelled at CloudPress, or dismissed by an operator.
    settled_duplicates: Mapped[list[str] | None] = mapped_column(NullableDocument)
    # What an operator has decided about an unconfirmed order, until the reconciler has done it.
    resolution: Mapped[dict[str, Any] | None] = mapped_column(NullableDocument)
    # A client's request to cancel, until the order is final or CloudPress has refused.
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # When CloudPress said yes to it; what it shows then decides.
    cancel_accepted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Whether CloudPress was asked to cancel it and has perhaps done so: the answer is not known.
    cancel_unanswered: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # For how long, counted from look to look, neither was it shown nor was there anything to be cancelled.
    gone_known_since: Mapped[dict[str, float] | None] = mapped_column(NullableDocument)
    # CloudPress's words, where the last request was refused.
    cancel_refusal: Mapped[list[str] | None] = mapped_column(NullableDocument)

    # The trace of the request that ordered, which all that is done about the order is part of. (W3C)
    traceparent: Mapped[str | None] = mapped_column(String(55))

    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finalized_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Since then the row is a tombstone. (`orders/erasing.py`)
    erased_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Since then its events are gone, too. (`maintenance/retention.py`)
    stripped_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


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


RESTORED = "restored"
"""Stands for the key of an attempt that a restored database may have lost; also the event that says so."""


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
    # What the order's own callbacks named, and another order had by its name alone when that was seen.
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
        Index("ix_deliveries_webhook_id_id", "webhook_id", "id"),
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


class WriteProbe(Base):
    """When a process last proved that it can write: a row for each, so that none waits for another."""

    __tablename__ = "write_probes"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    written_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Replica(Base):
    """A process of the service, which now and then says that it lives."""

    __tablename__ = "replicas"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # serve, api or worker.
    role: Mapped[str] = mapped_column(String(10))
    host: Mapped[str] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text)
    # Whether its reconciler turned just now.
    works: Mapped[bool] = mapped_column(Boolean)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)


class CheckResult(Base):
    """What a check of the deployment, which the service repeats by itself, found last."""

    __tablename__ = "check_results"

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    # ok, warning, failed or skipped.
    outcome: Mapped[str] = mapped_column(String(10))
    detail: Mapped[str] = mapped_column(Text)
    checked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)


class CheckRound(Base):
    """The one row by which replicas agree on who repeats the checks."""

    __tablename__ = "check_rounds"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    begun_at: Mapped[datetime] = mapped_column(UTCDateTime)


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


class Probe(Base):
    """A probe of `presshook doctor` that came in as a callback would: who sent it looks for it here."""

    __tablename__ = "probes"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    # What became of its `Authorization` on the way: arrived, missing or changed.
    authorization: Mapped[str] = mapped_column(String(10))
    arrived_at: Mapped[datetime] = mapped_column(UTCDateTime)
