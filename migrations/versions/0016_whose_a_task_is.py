"""Indexes by which it is found out whose a task and a site are."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_index(op.f("ix_tasks_id"), "tasks", ["id"])
    op.create_index(op.f("ix_sites_id"), "sites", ["id"])


def downgrade() -> None:
    """Take the change back."""
    op.drop_index(op.f("ix_sites_id"), table_name="sites")
    op.drop_index(op.f("ix_tasks_id"), table_name="tasks")
