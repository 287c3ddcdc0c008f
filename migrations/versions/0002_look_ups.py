"""Look-ups of unconfirmed orders, suspected duplicates, and what operators wish."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)
Document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "look_ups",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("begun_at", Moment, nullable=True),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("unseen", Document, nullable=False),
        sa.Column("candidates", Document, nullable=False),
        sa.Column("suspects", Document, nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("last_begun_at", Moment, nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_look_ups_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_look_ups")),
    )
    op.add_column("orders", sa.Column("late_look_at", Moment, nullable=True))
    op.add_column("orders", sa.Column("suspected_duplicates", Document, nullable=True))
    op.add_column("orders", sa.Column("resolution", Document, nullable=True))
    op.add_column("callbacks", sa.Column("checked_at", Moment, nullable=True))


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table("callbacks") as callbacks:
        callbacks.drop_column("checked_at")
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("resolution")
        orders.drop_column("suspected_duplicates")
        orders.drop_column("late_look_at")
    op.drop_table("look_ups")
