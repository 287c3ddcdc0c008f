"""Which sought orders their own callbacks speak for, found without looking at all that are sought."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

NAME = "ix_look_ups_claiming"
CLAIMING = sa.text("claimed <> '[]'")


def upgrade() -> None:
    """Apply the change."""
    op.create_index(NAME, "look_ups", ["order_id"], postgresql_where=CLAIMING, sqlite_where=CLAIMING)


def downgrade() -> None:
    """Take the change back."""
    op.drop_index(NAME, table_name="look_ups", postgresql_where=CLAIMING, sqlite_where=CLAIMING)
