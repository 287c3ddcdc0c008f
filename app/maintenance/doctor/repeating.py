"""The checks that the service repeats every hour, one replica at a time; it tells when one turns."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import structlog
from sqlalchemy import delete

from app.config.settings import Settings
from app.db.database import Database
from app.db.errors import repeated
from app.db.models import CheckResult, CheckRound
from app.db.transactions import Transaction
from app.db.upserts import insert_into
from app.events.timeline import record
from app.events.types import EventType
from app.maintenance.doctor.checks import Check, Outcome, Result, gravest
from app.maintenance.doctor.database import check_database
from app.maintenance.doctor.keys import check_keys
from app.maintenance.doctor.settings import check_settings
from app.maintenance.doctor.way_in import Prober
from app.maintenance.doctor.webhooks import check_enabled
from app.maintenance.doctor.workers import check_evidence, check_workers
from app.queue.pausing import pause
from app.telemetry.defects import where_raised
from app.webhooks.outbox import enqueue

EVERY = timedelta(hours=1)
LOOK_SECONDS = 60.0
# So that what has just started is not taken for what is wrong.
SETTLING_SECONDS = 60.0
ROUND = 1
# This machine may not see its own outside, so that it sees nothing is no news. What it sees is.
TELLING_OF_THE_WAY = {Check.CERTIFICATE, Check.AUTHORIZATION, Check.BODY_LIMIT}

log = structlog.get_logger()


class Repeating:
    """Repeats them for as long as the service works."""

    def __init__(self, settings: Settings, db: Database, stopping: asyncio.Event) -> None:
        """Prepare; `run` begins, and ends once `stopping` is set."""
        self._settings = settings
        self._db = db
        self._stopping = stopping

    async def run(self) -> None:
        """Look now and then whether a round is due. Nothing that goes wrong here ends anything else."""
        seconds = SETTLING_SECONDS
        while True:
            await pause(seconds, until=self._stopping)
            if self._stopping.is_set():
                return
            seconds = LOOK_SECONDS
            try:
                with self._db.outages.heeding("checks"):
                    if await begin_round(self._db):
                        await self.round()
            except Exception as error:  # noqa: BLE001 - a check that our code chokes on must not end the service
                log.error("check_broken", error=where_raised(error))

    async def round(self) -> None:
        """Check, and write down what was found."""
        found: dict[Check, Result] = {}
        async for result in self._results():
            known = found.get(result.check, result)
            found[result.check] = gravest((known, result))
        await write(self._db, found)

    async def _results(self) -> AsyncIterator[Result]:
        for result in check_settings(self._settings):
            yield result
        for results in (check_database(self._db), check_workers(self._db), self._way_in()):
            async for result in results:
                yield result
        yield await check_keys(self._db, self._settings.secret_keys, whole=False)
        yield await check_evidence(self._db)
        yield await check_enabled(self._db)

    async def _way_in(self) -> AsyncIterator[Result]:
        async for result in Prober(self._settings, self._db).check():
            if result.check in TELLING_OF_THE_WAY:
                yield result


@repeated
async def begin_round(db: Database, every: timedelta = EVERY) -> bool:
    """Take the round that is due, if one is: no other replica takes it as well."""
    async with db.write() as tx:
        insert = insert_into(CheckRound, is_sqlite=db.is_sqlite)
        taken = insert.values(id=ROUND, begun_at=tx.now).on_conflict_do_update(
            index_elements=["id"],
            set_={"begun_at": tx.now},
            # A clock that was ahead must not end the checks.
            where=(CheckRound.begun_at <= tx.now - every) | (CheckRound.begun_at > tx.now + every),
        )
        return (await tx.session.execute(taken.returning(CheckRound.id))).first() is not None


@repeated
async def write(db: Database, found: dict[Check, Result]) -> None:
    """Write down what a round found; what has turned since the last one is an event."""
    async with db.write() as tx:
        names = [str(check) for check in found]
        await tx.session.execute(delete(CheckResult).where(CheckResult.id.not_in(names)))
        for check, result in found.items():
            await _write(tx, check, result)


async def _write(tx: Transaction, check: Check, result: Result) -> None:
    known = await tx.session.get(CheckResult, str(check), with_for_update=True)
    was_failed = known is not None and known.outcome == Outcome.FAILED
    if known is None:
        known = CheckResult(id=str(check), outcome=result.outcome, changed_at=tx.now)
        tx.session.add(known)
    elif known.outcome != result.outcome:
        known.changed_at = tx.now
    known.outcome, known.detail, known.checked_at = result.outcome, result.detail, tx.now
    is_failed = result.outcome is Outcome.FAILED
    if is_failed == was_failed:
        return
    kind = EventType.CHECK_FAILED if is_failed else EventType.CHECK_RECOVERED
    log.log(40 if is_failed else 20, str(kind), check=str(check), detail=result.detail)
    event = record(tx, None, kind, check=str(check), detail=result.detail, advice=result.advice or None)
    enqueue(tx, event, None)
