"""With what a person was told that an order may be mixed up."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("orders", sa.Column("mixed_up", DOCUMENT, nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("orders", "mixed_up")
