"""Whose callbacks name a task, and whether the answer to a request to cancel was lost."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.create_index(op.f("ix_callbacks_task_id"), "callbacks", ["task_id"])
    op.add_column("orders", sa.Column("cancel_unanswered", DOCUMENT, nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("orders", "cancel_unanswered")
    op.drop_index(op.f("ix_callbacks_task_id"), table_name="callbacks")
