"""Orders of which an operator has said that something else at CloudPress is another one, or wanted too."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    settled = sa.text("settled_duplicates IS NOT NULL")
    op.create_index(
        "ix_orders_dismissed", "orders", ["account_id"], postgresql_where=settled, sqlite_where=settled
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_index("ix_orders_dismissed", table_name="orders")
