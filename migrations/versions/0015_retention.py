"""What old orders lose, by whom that is done at the moment, and the number up to which events are gone."""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ONLY_ROW = UUID(int=1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = sa.DateTime(timezone=True)
TO_CLEAR = sa.text("finalized_at IS NOT NULL AND erased_at IS NULL")
TO_STRIP = sa.text("erased_at IS NOT NULL AND stripped_at IS NULL")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("orders", sa.Column("stripped_at", MOMENT, nullable=True))
    for name, condition in (("ix_orders_to_clear", TO_CLEAR), ("ix_orders_to_strip", TO_STRIP)):
        columns = ["finalized_at", "id"]
        op.create_index(
            name, "orders", columns, unique=False, postgresql_where=condition, sqlite_where=condition
        )
    prunings = op.create_table(
        "prunings",
        sa.Column("events_gone_through", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("scheduled_at", MOMENT, nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("lease_boot", sa.Text(), nullable=True),
        sa.Column("lease_ends_at_uptime", sa.Double(), nullable=True),
        sa.Column("wakes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prunings")),
    )
    only = {
        "id": ONLY_ROW,
        "due_at": LONG_AGO,
        "scheduled_at": LONG_AGO,
        "wakes": 0,
        "events_gone_through": 0,
    }
    op.bulk_insert(prunings, [only])


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("prunings")
    for name in ("ix_orders_to_strip", "ix_orders_to_clear"):
        op.drop_index(name, table_name="orders")
    op.drop_column("orders", "stripped_at")
