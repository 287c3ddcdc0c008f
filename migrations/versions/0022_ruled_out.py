"""What an operator ruled out who had an order placed again, and whose a CloudPress order is by an answer."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("look_ups", sa.Column("ruled_out", DOCUMENT, server_default="[]", nullable=False))
    op.create_index("ix_placements_cloudpress_order_id", "placements", ["cloudpress_order_id"])


def downgrade() -> None:
    """Take the change back."""
    op.drop_index("ix_placements_cloudpress_order_id", table_name="placements")
    op.drop_column("look_ups", "ruled_out")
