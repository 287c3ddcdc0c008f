"""Since when a callback's task cannot be read, or leads nowhere, by uptimes: when it came in says neither."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("callbacks", sa.Column("unread_since", DOCUMENT, nullable=True))
    op.add_column("callbacks", sa.Column("untold_since", DOCUMENT, nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("callbacks", "untold_since")
    op.drop_column("callbacks", "unread_since")
