"""What of the news of an order a pass has seen, whenever it is due and whatever clocks show."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("orders", sa.Column("seen_wakes", sa.Integer(), nullable=False, server_default="0"))
    # No pass comes to those, unless there is news; each of the others is seen by its next one.
    op.execute(sa.text("UPDATE orders SET seen_wakes = wakes WHERE due_at IS NULL"))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("orders", "seen_wakes")
