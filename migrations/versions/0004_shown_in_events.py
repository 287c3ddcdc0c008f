"""What the API showed of an order at an event, for streams and webhooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("events", sa.Column("shown", Document, nullable=True))


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table("events") as events:
        events.drop_column("shown")
