"""What an operator overrules or dismisses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    document = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    op.add_column("orders", sa.Column("settled_duplicates", document, nullable=True))
    op.add_column("callbacks", sa.Column("overruled_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Remove them."""
    op.drop_column("callbacks", "overruled_at")
    op.drop_column("orders", "settled_duplicates")
