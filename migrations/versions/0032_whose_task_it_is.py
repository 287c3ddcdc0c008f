"""Whether a task was read as that of what its order holds."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("tasks", sa.Column("is_own", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("tasks", "is_own")
