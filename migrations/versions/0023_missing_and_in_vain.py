"""Since when an order is missing by uptimes, and whether an operator adopted what could not be it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("orders", sa.Column("missing_known_since", DOCUMENT, nullable=True))
    op.add_column(
        "look_ups", sa.Column("adopted_in_vain", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("look_ups", "adopted_in_vain")
    op.drop_column("orders", "missing_known_since")
