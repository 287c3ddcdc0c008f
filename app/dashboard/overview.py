"""What the overview counts: the same cost however many orders there are.

Counts end at `MOST`, and the callbacks of the last `SAMPLE` finished orders stand for all.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Callback, CheckResult, Order, Task, Webhook
from app.states import AttentionCode, OrderStatus

MOST = 10_000
SAMPLE = 500
LONGEST_DUE = 5
LOOKED_AT = 1000
"""So many of those that are due are looked at for a key that does not see all."""
DAY = timedelta(days=1)
SPANS = (DAY, 7 * DAY)
BUCKETS = ((1.0, "under 1 s"), (5.0, "1 to 5 s"), (30.0, "5 to 30 s"), (120.0, "30 s to 2 min"))
LATER = "over 2 min"
NEVER = "never came"


@dataclass(frozen=True)
class Bar:
    """A row of a plot, which is a table with bars: a label, its numbers, and whether it is bad news."""

    label: str
    counts: tuple[int, ...]
    is_bad: bool = False


@dataclass(frozen=True)
class Cause:
    """Why some orders need a person: how many, and since when."""

    code: str
    count: int
    since: datetime


@dataclass(frozen=True)
class Due:
    """An order that is due, and was not taken up yet."""

    id: UUID
    name: str
    status: str
    due_at: datetime


Accounts = Collection[str] | None


def _visible(account_ids: Accounts) -> list[ColumnElement[bool]]:
    return [] if account_ids is None else [Order.account_id.in_(account_ids)]


async def causes(session: AsyncSession, account_ids: Accounts) -> list[Cause]:
    """Return what needs a person, by cause, the longest first. Each is counted up to `MOST`."""
    asked: list[ScalarSelect[Any]] = []
    for code in AttentionCode:
        asking = select(Order.attention_since).where(
            Order.attention_code == code, Order.attention_code.is_not(None), *_visible(account_ids)
        )
        asked.append(select(func.count()).select_from(asking.limit(MOST + 1).subquery()).scalar_subquery())
        asked.append(asking.order_by(Order.attention_since).limit(1).scalar_subquery())
    told = list((await session.execute(select(*asked))).one())
    counted = zip(AttentionCode, told[::2], told[1::2], strict=True)
    found = [Cause(code, count, since) for code, count, since in counted if since is not None]
    return sorted(found, key=lambda cause: cause.since)


async def by_status(session: AsyncSession, now: datetime, account_ids: Accounts) -> list[Bar]:
    """Return how many orders of each status were made in each of `SPANS`, up to `MOST`."""
    wanted = [(status, span) for status in OrderStatus for span in SPANS]
    counted = []
    for status, span in wanted:
        some = select(Order.id).where(Order.status == status, Order.created_at > now - span)
        part = some.where(*_visible(account_ids)).limit(MOST + 1).subquery()
        counted.append(select(func.count()).select_from(part).scalar_subquery())
    counts = list((await session.execute(select(*counted))).one())
    return [
        Bar(status, (counts[2 * place], counts[2 * place + 1])) for place, status in enumerate(OrderStatus)
    ]


async def callback_delays(session: AsyncSession, account_ids: Accounts) -> list[Bar]:
    """Return how soon after the end of their tasks orders were called back, and how many never were."""
    latest = (
        select(Order.id)
        .where(Order.status == OrderStatus.COMPLETED, Order.erased_at.is_(None), *_visible(account_ids))
        .order_by(Order.created_at.desc(), Order.id.desc())
        .limit(SAMPLE)
        .subquery()
    )
    called = (
        select(Task.ended_at, func.min(Callback.first_received_at))
        .select_from(latest)
        .join(Task, Task.order_id == latest.c.id)
        .outerjoin(
            Callback,
            (Callback.order_id == Task.order_id)
            & or_(Callback.task_id == Task.id, Callback.task_id.is_(None)),
        )
        .where(Task.ended_at.is_not(None))
        .group_by(Task.order_id, Task.id, Task.ended_at)
    )
    counts = dict.fromkeys([*(name for _, name in BUCKETS), LATER, NEVER], 0)
    for ended_at, called_at in await session.execute(called):
        counts[_bucket(ended_at, called_at)] += 1
    return [Bar(name, (count,), is_bad=name == NEVER and count > 0) for name, count in counts.items()]


def _bucket(ended_at: datetime | None, called_at: datetime | None) -> str:
    if ended_at is None or called_at is None:
        return NEVER
    seconds = (called_at - ended_at).total_seconds()
    return next((name for below, name in BUCKETS if seconds < below), LATER)


async def longest_due(session: AsyncSession, now: datetime, account_ids: Accounts) -> list[Due]:
    """Return the orders that have been due for longest."""
    limit = LONGEST_DUE if account_ids is None else LOOKED_AT
    due = (
        select(Order.id, Order.site_name, Order.status, Order.due_at, Order.account_id)
        .where(Order.due_at <= now)
        .order_by(Order.due_at)
        .limit(limit)
    )
    found = [
        Due(row.id, row.site_name, row.status, row.due_at)
        for row in await session.execute(due)
        if account_ids is None or row.account_id in account_ids
    ]
    return found[:LONGEST_DUE]


async def wrong_checks(session: AsyncSession) -> Sequence[CheckResult]:
    """Return the service's own checks that fail."""
    return (await session.scalars(select(CheckResult).where(CheckResult.outcome == "failed"))).all()


async def disabled_webhooks(session: AsyncSession, account_ids: Accounts) -> list[Webhook]:
    """Return the webhooks that the service has disabled, of those that a key sees."""
    found = await session.scalars(select(Webhook).where(Webhook.disabled_reason.is_not(None)))
    return [
        webhook
        for webhook in found
        if account_ids is None
        or (webhook.account_ids is not None and set(webhook.account_ids) <= set(account_ids))
    ]
