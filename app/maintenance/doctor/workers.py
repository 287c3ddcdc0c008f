"""Who works, how long the longest due has waited, and whether orders that have finished were called back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from statistics import median

from sqlalchemy import func, select

from app.db.database import Database
from app.db.models import Callback, Delivery, Leased, Order, Replica
from app.maintenance.doctor.checks import Check, Result, counted, failed, ok, skipped, warning
from app.states import ALIVE_SECONDS, OrderStatus

LATE_SECONDS = 60.0
TOO_LATE_SECONDS = 600.0
LOOKED_AT = 20
# Fewer say nothing.
ENOUGH = 5
QUEUES: dict[str, type[Leased]] = {"order": Order, "delivery": Delivery}


async def check_workers(db: Database) -> AsyncIterator[Result]:
    """Look at who lives and at what waits for them."""
    yield await _alive(db)
    yield await _due(db)


async def _alive(db: Database) -> Result:
    async with db.read() as session:
        now = await db.now(session)
        replicas = list(await session.scalars(select(Replica).order_by(Replica.seen_at.desc())))
    alive = [each for each in replicas if now - each.seen_at < timedelta(seconds=ALIVE_SECONDS)]
    working = [each for each in alive if each.works]
    if not working:
        last = next((each.seen_at for each in replicas if each.role != "api"), None)
        seen = "none has been seen" if last is None else f"the last was seen at {last:%Y-%m-%d %H:%M} UTC"
        stuck = (
            " (one says that it lives, and moves nothing)"
            if any(each.role != "api" for each in alive)
            else ""
        )
        advice = "start `presshook serve` or `presshook worker`, and look why the last one ended"
        return failed(Check.WORKERS, f"nobody works: {seen}{stuck}", advice)
    told = f"{counted(len(alive), 'replica')}, of which {len(working)} work{'s' if len(working) == 1 else ''}"
    versions = sorted({each.version for each in alive})
    if len(versions) > 1:
        advice = "bring all to one release, if no upgrade is under way"
        return warning(Check.WORKERS, f"{told}; releases {', '.join(versions)}", advice)
    return ok(Check.WORKERS, told)


async def _due(db: Database) -> Result:
    waits: dict[str, float] = {}
    async with db.read() as session:
        now = await db.now(session)
        for name, table in QUEUES.items():
            first = select(func.min(table.due_at)).where(table.due_at <= now)
            due_at = (await session.execute(first)).scalar_one()
            waits[name] = 0.0 if due_at is None else (now - due_at).total_seconds()
    told = ", ".join(
        f"the oldest due {name} for {seconds:.0f} s" for name, seconds in waits.items() if seconds >= 1
    )
    longest = max(waits.values())
    if longest < LATE_SECONDS:
        return ok(Check.DUE, told or "nothing waits")
    advice = "run more workers; see presshook_slots_used, and why passes take long"
    return (failed if longest >= TOO_LATE_SECONDS else warning)(Check.DUE, told, advice)


async def check_evidence(db: Database) -> Result:
    """Look whether the last finished orders were called back, and how soon after that they were final."""
    newest = (
        select(Order.id, Order.finalized_at, Order.erased_at)
        .where(Order.status == OrderStatus.COMPLETED)
        .order_by(Order.created_at.desc(), Order.id.desc())
        .limit(LOOKED_AT)
    )
    async with db.read() as session:
        # Of what was erased or pruned nobody knows whether it was called back.
        rows = (await session.execute(newest)).all()
        finished = {row.id: row.finalized_at for row in rows if row.erased_at is None}
        calls = select(Callback.order_id, func.max(Callback.last_received_at)).where(
            Callback.order_id.in_(list(finished))
        )
        called = dict((await session.execute(calls.group_by(Callback.order_id))).all())
    if not finished:
        told = "no callback is kept of the last that finished" if rows else "no order has finished yet"
        return skipped(Check.EVIDENCE, told)
    told = f"{len(called)} of the last {len(finished)} finished orders were called back"
    if called:
        seconds = [
            max(0.0, (at - called[order_id]).total_seconds())
            for order_id, at in finished.items()
            if at is not None and order_id in called
        ]
        told += f", and final {median(seconds):.1f} s after that (median); "
        told += f"the last at {max(called.values()):%Y-%m-%d %H:%M} UTC"
    advice = "orders end only when CloudPress is asked: see the checks of callbacks above"
    if len(finished) >= ENOUGH and not called:
        return failed(Check.EVIDENCE, told, advice)
    if len(finished) >= ENOUGH and len(called) < len(finished) / 2:
        return warning(Check.EVIDENCE, told, advice)
    return ok(Check.EVIDENCE, told)
