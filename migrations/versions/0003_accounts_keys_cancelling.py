"""Accounts, API keys, wishes to cancel, and indexes that lists of orders go by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)
Document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ASKING = "attention_code IS NOT NULL"


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("start", sa.String(length=16), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("former_hash", sa.String(length=64), nullable=True),
        sa.Column("former_until", Moment, nullable=True),
        sa.Column("scopes", Document, nullable=False),
        sa.Column("account_ids", Document, nullable=True),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("rotated_at", Moment, nullable=True),
        sa.Column("expires_at", Moment, nullable=True),
        sa.Column("revoked_at", Moment, nullable=True),
        sa.Column("last_used_at", Moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_keys_hash")),
        sa.UniqueConstraint("former_hash", name=op.f("uq_api_keys_former_hash")),
    )
    op.add_column("orders", sa.Column("cancel_wished_at", Moment, nullable=True))
    op.add_column("orders", sa.Column("cancel_accepted_at", Moment, nullable=True))
    op.add_column("orders", sa.Column("cancel_refusal", Document, nullable=True))
    op.create_index("ix_orders_created_at_id", "orders", ["created_at", "id"])
    op.create_index("ix_orders_status_created_at_id", "orders", ["status", "created_at", "id"])
    op.create_index("ix_orders_account_id_created_at_id", "orders", ["account_id", "created_at", "id"])
    op.create_index(
        "ix_orders_account_id_status_created_at_id", "orders", ["account_id", "status", "created_at", "id"]
    )
    op.create_index(
        "ix_orders_attention",
        "orders",
        ["created_at", "id"],
        postgresql_where=sa.text(ASKING),
        sqlite_where=sa.text(ASKING),
    )


def downgrade() -> None:
    """Take the change back."""
    for index in (
        "ix_orders_attention",
        "ix_orders_account_id_status_created_at_id",
        "ix_orders_account_id_created_at_id",
        "ix_orders_status_created_at_id",
        "ix_orders_created_at_id",
    ):
        op.drop_index(index, table_name="orders")
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("cancel_refusal")
        orders.drop_column("cancel_accepted_at")
        orders.drop_column("cancel_wished_at")
    op.drop_table("api_keys")
    op.drop_table("accounts")
