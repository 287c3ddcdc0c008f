"""For how long nothing was learned of an order, counted from look to look: no clock that steps adds to it.

What lasts by then goes on from when it began, of which as much counts as of any gap between two looks.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("orders", sa.Column("silent_known_since", DOCUMENT, nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("orders", "silent_known_since")
