"""Probes of `presshook doctor` that came in, and the trace of the request that ordered."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("orders", sa.Column("traceparent", sa.String(length=55), nullable=True))
    op.create_table(
        "probes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("authorization", sa.String(length=10), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probes")),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("probes")
    op.drop_column("orders", "traceparent")
