"""Orders that what another order has found may mean: found without looking at all of an account's."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

UNSETTLED = sa.text(
    "(cloudpress_order_id IS NULL AND (error_code IS NULL OR error_code <> 'rejected')"
    " OR late_look_at IS NOT NULL OR suspected_duplicates IS NOT NULL"
    " OR cloudpress_order_id_source = 'lookup')"
)
NAME = "ix_orders_unsettled"


def upgrade() -> None:
    """Apply the change."""
    columns = ["account_id", "finalized_at"]
    op.create_index(NAME, "orders", columns, postgresql_where=UNSETTLED, sqlite_where=UNSETTLED)


def downgrade() -> None:
    """Take the change back."""
    op.drop_index(NAME, table_name="orders", postgresql_where=UNSETTLED, sqlite_where=UNSETTLED)
