"""What an order's own callbacks name, and another order has by its name alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("look_ups", sa.Column("claimed", DOCUMENT, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("look_ups", "claimed")
