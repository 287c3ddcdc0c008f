"""What it takes to prove that an order is not at CloudPress."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
# SQLite numbers rows by itself only where the key is declared INTEGER.
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns and the table. Look-ups that are under way begin anew."""
    op.add_column("placements", sa.Column("sent_boot", sa.Text(), nullable=True))
    op.add_column("placements", sa.Column("sent_uptime", sa.Double(), nullable=True))
    op.add_column("placements", sa.Column("cloudpress_sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("placements", sa.Column("strangers_before", sa.BigInteger(), nullable=True))
    op.create_index("ix_placements_sent_at", "placements", ["sent_at"])
    op.execute("DELETE FROM look_ups")
    for name, kind, default in (
        ("attempt", sa.Integer(), "0"),
        ("known_since", DOCUMENT, "{}"),
        ("begun_late", sa.Boolean(), sa.false()),
        ("pages", DOCUMENT, "[]"),
        ("entries", sa.Integer(), "0"),
        ("listed", DOCUMENT, "{}"),
        ("canaries", DOCUMENT, "{}"),
        ("doubts", DOCUMENT, "[]"),
    ):
        op.add_column("look_ups", sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("look_ups", sa.Column("ended_boot", sa.Text(), nullable=True))
    op.add_column("look_ups", sa.Column("ended_uptime", sa.Double(), nullable=True))
    op.create_table(
        "strangers",
        sa.Column("id", ROW_NUMBER, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("cloudpress_order_id", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_strangers"),
        sa.UniqueConstraint(
            "account_id", "cloudpress_order_id", name="uq_strangers_account_id_cloudpress_order_id"
        ),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("strangers")
    for name in (
        "ended_uptime",
        "ended_boot",
        "doubts",
        "canaries",
        "listed",
        "entries",
        "pages",
        "begun_late",
        "known_since",
        "attempt",
    ):
        op.drop_column("look_ups", name)
    op.drop_index("ix_placements_sent_at", "placements")
    for name in ("strangers_before", "cloudpress_sent_at", "sent_uptime", "sent_boot"):
        op.drop_column("placements", name)
