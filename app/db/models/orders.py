"""Orders. Every change of one happens under a lock of its row."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.columns import EncryptedBytes, JSONDocument, UTCDateTime
from app.db.models.leased import Leased, NullableDocument
from app.states import FINAL, OrderStatus

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
    # Which CloudPress orders may be mixed up with the one held, until that is settled. (`orders/mix_ups.py`)
    mixed_up: Mapped[dict[str, Any] | None] = mapped_column(NullableDocument)
    # What an operator has decided about an unconfirmed order, until the reconciler has done it.
    resolution: Mapped[dict[str, Any] | None] = mapped_column(NullableDocument)
    # A client's request to cancel, until the order is final or CloudPress has refused.
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # When CloudPress said yes to it; what it shows then decides.
    cancel_accepted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Which request to cancel CloudPress has perhaps done, its answer not known. (`orders/cancelling.py`)
    cancel_unanswered: Mapped[dict[str, Any] | None] = mapped_column(NullableDocument)
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
