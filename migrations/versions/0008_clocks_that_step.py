"""What tells leases and due times apart from the steps of a clock."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LEASED = ("orders", "deliveries")


def upgrade() -> None:
    """Add the columns. A lease without them is judged by the database's clock, as before."""
    for table in LEASED:
        op.add_column(table, sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True))
        op.add_column(table, sa.Column("lease_boot", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("lease_ends_at_uptime", sa.Double(), nullable=True))


def downgrade() -> None:
    """Remove them."""
    for table in LEASED:
        for column in ("lease_ends_at_uptime", "lease_boot", "scheduled_at"):
            op.drop_column(table, column)
