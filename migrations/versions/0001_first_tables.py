"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)
Document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
RowNumber = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("site_name", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("return_url", sa.Text(), nullable=True),
        sa.Column("metadata", Document, nullable=False),
        sa.Column("idempotency_identity", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("idempotency_fingerprint", sa.Text(), nullable=True),
        sa.Column("cloudpress_order_id", sa.Text(), nullable=True),
        sa.Column("cloudpress_order_id_source", sa.Text(), nullable=True),
        sa.Column("cloudpress_status", sa.Text(), nullable=True),
        sa.Column("cloudpress_answer", sa.LargeBinary(), nullable=True),
        sa.Column("payment_url", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_detail", sa.Text(), nullable=True),
        sa.Column("error_reasons", Document, nullable=True),
        sa.Column("attention_code", sa.Text(), nullable=True),
        sa.Column("attention_detail", sa.Text(), nullable=True),
        sa.Column("attention_since", Moment, nullable=True),
        sa.Column("due_at", Moment, nullable=True),
        sa.Column("not_before", Moment, nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", Moment, nullable=True),
        sa.Column("wakes", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("quiet", sa.Integer(), nullable=False),
        sa.Column("missing_since", Moment, nullable=True),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.Column("finalized_at", Moment, nullable=True),
        sa.CheckConstraint(
            "(finalized_at IS NOT NULL) = (status IN ('cancelled', 'completed', 'failed'))",
            name=op.f("ck_orders_finalized_when_final"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'placing', 'unconfirmed', 'awaiting_payment', 'provisioning', "
            "'completed', 'failed', 'cancelled')",
            name=op.f("ck_orders_status_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint(
            "account_id", "cloudpress_order_id", name=op.f("uq_orders_account_id_cloudpress_order_id")
        ),
        sa.UniqueConstraint(
            "idempotency_identity",
            "idempotency_key",
            name=op.f("uq_orders_idempotency_identity_idempotency_key"),
        ),
    )
    op.create_index("ix_orders_account_id_site_name", "orders", ["account_id", "site_name"], unique=False)
    op.create_index(
        "ix_orders_due_at", "orders", ["due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL")
    )

    op.create_table(
        "callbacks",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_received_at", Moment, nullable=False),
        sa.Column("last_received_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_callbacks_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
        sa.UniqueConstraint("order_id", "body_sha256", name=op.f("uq_callbacks_order_id_body_sha256")),
    )
    op.create_table(
        "events",
        sa.Column("id", RowNumber, nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("data", Document, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_events_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_order_id_id", "events", ["order_id", "id"], unique=False)

    op.create_table(
        "placements",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sent_at", Moment, nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("answered_at", Moment, nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("reasons", Document, nullable=True),
        sa.Column("cloudpress_order_id", sa.Text(), nullable=True),
        sa.Column("callback_key_id", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_placements_order_id")),
        sa.PrimaryKeyConstraint("order_id", "attempt", name=op.f("pk_placements")),
    )
    op.create_table(
        "sites",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("details", Document, nullable=False),
        sa.Column("ssh_password", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("read_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_sites_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_sites")),
    )
    op.create_table(
        "tasks",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("started_at", Moment, nullable=True),
        sa.Column("ended_at", Moment, nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_tasks_order_id")),
        sa.PrimaryKeyConstraint("order_id", "id", name=op.f("pk_tasks")),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("tasks")
    op.drop_table("sites")
    op.drop_table("placements")
    op.drop_index("ix_events_order_id_id", "events")

    op.drop_table("events")
    op.drop_table("callbacks")
    op.drop_index("ix_orders_due_at", "orders")
    op.drop_index("ix_orders_account_id_site_name", "orders")

    op.drop_table("orders")
