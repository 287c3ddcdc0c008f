"""Replicas that say that they live, what went wrong with an order last, its trace, results of checks."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("orders", sa.Column("trouble_kind", sa.Text(), nullable=True))
    op.add_column("orders", sa.Column("trouble_status", sa.Integer(), nullable=True))
    op.add_column("placements", sa.Column("traceparent", sa.String(length=55), nullable=True))
    op.create_table(
        "replicas",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("works", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replicas")),
    )
    op.create_table(
        "check_results",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_results")),
    )
    op.create_table(
        "check_rounds",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_rounds")),
    )


def downgrade() -> None:
    """Take the change back."""
    for table in ("check_rounds", "check_results", "replicas"):
        op.drop_table(table)
    op.drop_column("placements", "traceparent")
    for column in ("trouble_status", "trouble_kind"):
        op.drop_column("orders", column)
