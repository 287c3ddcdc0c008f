"""The address of the end user's page of an order."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("orders", sa.Column("progress_url", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("orders", "progress_url")
