"""The tables, all of which Alembic finds here. Every change of an order happens under a lock of its row."""

from app.db.models.access import Account, ApiKey
from app.db.models.events import Event, Pruning
from app.db.models.evidence import CLAIMING, RESTORED, Callback, LookUp, Placement, Stranger
from app.db.models.leased import Leased
from app.db.models.orders import ASKS, DISMISSED, TO_CLEAR, TO_STRIP, UNSETTLED, Order
from app.db.models.restorations import Orphan, OrphanSearch, Restoration
from app.db.models.service import CheckResult, CheckRound, Probe, Replica, WriteProbe
from app.db.models.sites import Site, Task
from app.db.models.webhooks import Delivery, DeliveryAttempt, Webhook

__all__ = [
    "ASKS",
    "CLAIMING",
    "DISMISSED",
    "RESTORED",
    "TO_CLEAR",
    "TO_STRIP",
    "UNSETTLED",
    "Account",
    "ApiKey",
    "Callback",
    "CheckResult",
    "CheckRound",
    "Delivery",
    "DeliveryAttempt",
    "Event",
    "Leased",
    "LookUp",
    "Order",
    "Orphan",
    "OrphanSearch",
    "Placement",
    "Probe",
    "Pruning",
    "Replica",
    "Restoration",
    "Site",
    "Stranger",
    "Task",
    "Webhook",
    "WriteProbe",
]
