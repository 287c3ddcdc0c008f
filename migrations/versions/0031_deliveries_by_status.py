"""A webhook's deliveries by their status, however many others it has."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

NAME = "ix_deliveries_webhook_id_status_id"


def upgrade() -> None:
    """Apply the change."""
    op.create_index(NAME, "deliveries", ["webhook_id", "status", "id"])


def downgrade() -> None:
    """Take the change back."""
    op.drop_index(NAME, table_name="deliveries")
