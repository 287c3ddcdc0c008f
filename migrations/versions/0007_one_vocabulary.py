"""Event types in one style, and one word for a requested cancel."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

RENAMED = {
    "accepted": "order.accepted",
    "placing": "order.placing",
    "placement_ended": "order.placement_ended",
    "status_changed": "order.status_changed",
    "identified": "order.identified",
    "lease_taken_over": "order.lease_taken_over",
    "request_failed": "order.request_failed",
    "looked_up": "order.looked_up",
    "nowhere": "order.found_nowhere",
    "missing": "order.not_found",
    "shown_again": "order.found_again",
    "payment_url_changed": "order.payment_url_changed",
    "task_seen": "order.task_changed",
    "site_seen": "order.site_changed",
    "callback_received": "order.callback_received",
    "callback_repeated": "order.callback_repeated",
    "attention": "order.attention_started",
    "attention_ended": "order.attention_ended",
    "cancel_wished": "order.cancel_requested",
    "cancel_accepted": "order.cancel_accepted",
    "cancel_refused": "order.cancel_refused",
    "refresh_wished": "order.refresh_requested",
    "resolution_wished": "order.resolution_requested",
    "resolution_impossible": "order.resolution_impossible",
    "suspected_duplicate": "order.duplicate_suspected",
    "suspected_duplicate_ended": "order.duplicate_ended",
    "duplicates_dismissed": "order.duplicates_dismissed",
    "credentials_read": "order.credentials_read",
    "restored": "service.restored",
}
EVENTS = sa.table("events", sa.column("type", sa.String))


def _rename(names: dict[str, str]) -> None:
    renamed = sa.case(names, value=EVENTS.c.type, else_=EVENTS.c.type)
    op.execute(EVENTS.update().where(EVENTS.c.type.in_(names)).values(type=renamed))


def upgrade() -> None:
    """Rename what is stored."""
    op.alter_column("orders", "cancel_wished_at", new_column_name="cancel_requested_at")
    _rename(RENAMED)


def downgrade() -> None:
    """Name it as before."""
    op.alter_column("orders", "cancel_requested_at", new_column_name="cancel_wished_at")
    _rename({after: before for before, after in RENAMED.items()})
