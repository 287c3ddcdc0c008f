"""An index by which it is found out whose callbacks name a task."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_index(op.f("ix_callbacks_task_id"), "callbacks", ["task_id"])


def downgrade() -> None:
    """Take the change back."""
    op.drop_index(op.f("ix_callbacks_task_id"), table_name="callbacks")
