"""What a restored database has lost: since when, whose orders are looked through, what was found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "restorations",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restorations")),
    )
    op.create_table(
        "orphan_searches",
        sa.Column("restoration_id", ROW_NUMBER, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["restoration_id"],
            ["restorations.id"],
            name=op.f("fk_orphan_searches_restoration_id_restorations"),
        ),
        sa.PrimaryKeyConstraint("restoration_id", "account_id", name=op.f("pk_orphan_searches")),
    )
    op.create_table(
        "orphans",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("cloudpress_order_id", sa.Text(), nullable=False),
        sa.Column("cloudpress_status", sa.Text(), nullable=True),
        sa.Column("site_name", sa.Text(), nullable=True),
        sa.Column("variant", sa.Text(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled", DOCUMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orphans")),
        sa.UniqueConstraint(
            "account_id", "cloudpress_order_id", name=op.f("uq_orphans_account_id_cloudpress_order_id")
        ),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("orphans")
    op.drop_table("orphan_searches")
    op.drop_table("restorations")
