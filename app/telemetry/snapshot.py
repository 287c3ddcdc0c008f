"""What all replicas share, as the database tells it: gauges that cost the same however many orders there are.

Every statement reads an index of what is open, due or asks for attention, and none of what is final. The
answer is kept for 15 s, so that scraping often costs nothing; it is absent while the database cannot be
asked.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.db.models import CheckResult, Delivery, Leased, Order, Webhook
from app.db.sharing import for_all
from app.states import FINAL, OrderStatus

FRESH_SECONDS = 15.0
# What a check that was not passed over found.
WELL = {"ok": 1.0, "warning": 0.5, "failed": 0.0}
OPEN = tuple(status for status in OrderStatus if status not in FINAL)
QUEUES: tuple[type[Leased], ...] = (Order, Delivery)


@dataclass(frozen=True)
class Snapshot:
    """What was counted."""

    orders: dict[str, int]
    attention: dict[str, int]
    due_oldest_seconds: dict[str, float]
    deliveries_pending: int
    webhooks_disabled: int
    checks: dict[str, float]
    """What the hourly checks found."""
    pruning_overdue_seconds: float | None
    """How long ago the oldest order had to be pruned; None where everything is kept."""


@dataclass(frozen=True)
class Retention:
    """For how long orders are kept, and how to ask when the oldest that should be gone was finished."""

    kept: timedelta
    oldest: Callable[[datetime], Select[datetime | None]]


class Snapshots:
    """Counts anew when the last count is no longer fresh."""

    def __init__(self, db: Database, retention: Retention | None = None) -> None:
        """Prepare; nothing is asked yet. `retention` is None where everything is kept."""
        self._db = db
        self._retention = retention
        self._counted: Snapshot | None = None
        self._counted_at = -FRESH_SECONDS

    async def collector(self) -> "Shared":
        """Return what Prometheus is told of the database now."""
        if time.monotonic() - self._counted_at >= FRESH_SECONDS:
            self._counted = None
            with for_all(), self._db.outages.heeding("metrics"):
                self._counted = await self._count()
            self._counted_at = time.monotonic()
        return Shared(self._counted)

    async def _count(self) -> Snapshot:
        async with self._db.read() as session:
            now = await self._db.now(session)
            by_status = (
                select(Order.status, func.count()).where(Order.status.in_(OPEN)).group_by(Order.status)
            )
            orders = {str(status): count for status, count in await session.execute(by_status)}
            asking = Order.attention_code.is_not(None)
            by_code = select(Order.attention_code, func.count()).where(asking).group_by(Order.attention_code)
            attention = {str(code): count for code, count in await session.execute(by_code)}
            oldest: dict[str, float] = {}
            for table in QUEUES:
                first = select(func.min(table.due_at)).where(table.due_at <= now)
                due_at = (await session.execute(first)).scalar_one()
                oldest[table.__tablename__] = 0.0 if due_at is None else (now - due_at).total_seconds()
            pending = select(func.count()).select_from(Delivery).where(Delivery.due_at.is_not(None))
            disabled = select(func.count()).select_from(Webhook).where(Webhook.disabled_reason.is_not(None))
            found = await session.execute(select(CheckResult.id, CheckResult.outcome))
            checks = {check: WELL[outcome] for check, outcome in found if outcome in WELL}
            return Snapshot(
                {status: orders.get(status, 0) for status in OPEN},
                attention,
                oldest,
                (await session.execute(pending)).scalar_one(),
                (await session.execute(disabled)).scalar_one(),
                checks,
                await self._overdue(session, now),
            )

    async def _overdue(self, session: AsyncSession, now: datetime) -> float | None:
        if self._retention is None:
            return None
        finished_at = (await session.execute(self._retention.oldest(now))).scalar_one_or_none()
        return 0.0 if finished_at is None else (now - self._retention.kept - finished_at).total_seconds()


class Shared(Collector):
    """A snapshot as metrics."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        """Tell `snapshot`, or that there is none."""
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        up = GaugeMetricFamily("presshook_snapshot_up", "Whether the database could be asked.")
        up.add_metric([], float(self._snapshot is not None))
        return [up, *_metrics(self._snapshot)] if self._snapshot else [up]


def _metrics(snapshot: Snapshot) -> Sequence[Metric]:
    labelled: Sequence[tuple[str, str, str, dict[str, int] | dict[str, float]]] = (
        ("presshook_orders", "Open orders.", "status", snapshot.orders),
        ("presshook_attention", "Orders that ask for a person.", "code", snapshot.attention),
        (
            "presshook_due_oldest_seconds",
            "For how long the longest due row has been due.",
            "queue",
            snapshot.due_oldest_seconds,
        ),
        (
            "presshook_doctor_ok",
            "What the service's own checks found: 1 all is well, 0.5 it will hurt, 0 something is wrong.",
            "check",
            snapshot.checks,
        ),
    )
    metrics = []
    for name, sentence, label, values in labelled:
        family = GaugeMetricFamily(name, sentence, labels=[label])
        for value, count in values.items():
            family.add_metric([value], count)
        metrics.append(family)
    for name, sentence, count in (
        ("presshook_deliveries_pending", "Deliveries on their way.", snapshot.deliveries_pending),
        ("presshook_webhooks_disabled", "Webhooks that the service disabled.", snapshot.webhooks_disabled),
    ):
        metrics.append(GaugeMetricFamily(name, sentence, value=count))
    if snapshot.pruning_overdue_seconds is not None:
        name, sentence = (
            "presshook_pruning_overdue_seconds",
            "How long ago the oldest order had to be pruned.",
        )
        metrics.append(GaugeMetricFamily(name, sentence, value=snapshot.pruning_overdue_seconds))
    return metrics
