"""How often a look-up was not shown what is listed, and that another has by its name what may be ours."""

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
    op.add_column(
        "look_ups", sa.Column("taken_by_name", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("orphan_searches", sa.Column("unread", DOCUMENT, nullable=False, server_default="{}"))
    op.add_column("orders", sa.Column("gone_known_since", DOCUMENT, nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("orders", "gone_known_since")
    op.drop_column("orphan_searches", "unread")
    op.drop_column("look_ups", "taken_by_name")
    op.drop_column("look_ups", "unshown")
