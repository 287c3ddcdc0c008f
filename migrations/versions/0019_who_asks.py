"""What asks for a person: counted by cause, and listed by account, however much else there is."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

ASKS = sa.text("attention_code IS NOT NULL")
INDEXES = {
    "ix_orders_asking": ["attention_code", "attention_since"],
    "ix_orders_account_id_asking": ["account_id", "attention_code", "attention_since"],
    "ix_orders_account_id_attention": ["account_id", "created_at", "id"],
}


def upgrade() -> None:
    """Apply the change."""
    for name, columns in INDEXES.items():
        op.create_index(name, "orders", columns, postgresql_where=ASKS, sqlite_where=ASKS)


def downgrade() -> None:
    """Take the change back."""
    for name in INDEXES:
        op.drop_index(name, table_name="orders", postgresql_where=ASKS, sqlite_where=ASKS)
