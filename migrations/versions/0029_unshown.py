"""How often in a row a look-up was not shown an order that is listed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("look_ups", sa.Column("unshown", DOCUMENT, nullable=False, server_default="{}"))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("look_ups", "unshown")
