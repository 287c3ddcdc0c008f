"""Numbers of events that SQLite never gives again, and rows by which a process proves that it can write."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _number_events(*, once: bool) -> None:
    """Have SQLite remember the highest number that it gave, or go by the highest that there is."""
    if op.get_bind().dialect.name != "sqlite":
        return  # a sequence never goes back
    options = {"sqlite_autoincrement": once}
    with op.batch_alter_table("events", recreate="always", table_kwargs=options):
        pass


def upgrade() -> None:
    """Apply the change."""
    _number_events(once=True)
    op.create_table(
        "write_probes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_write_probes")),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("write_probes")
    _number_events(once=False)
