"""All checks, in their order: whatever cannot be looked at because of one that failed is passed over."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from app.accounts.clients import AccountClients
from app.config.settings import Settings
from app.db.database import Database
from app.db.errors import DATABASE_AWAY, in_words, secrets_of
from app.maintenance.doctor.checks import Check, Outcome, Result, failed, skipped
from app.maintenance.doctor.cloudpress import Asked, accounts_of, check_account, not_asked
from app.maintenance.doctor.database import check_clock, check_database, check_listen, check_reachable
from app.maintenance.doctor.keys import check_keys
from app.maintenance.doctor.settings import check_settings
from app.maintenance.doctor.way_in import AFTER_NAME, Prober
from app.maintenance.doctor.webhooks import check_enabled, check_ways
from app.maintenance.doctor.workers import check_evidence, check_workers

AWAY = "the database cannot be used"


@dataclass(frozen=True)
class Deployment:
    """What is looked at."""

    settings: Settings
    db: Database
    clients: AccountClients


async def examine(deployment: Deployment, *, offline: bool = False) -> AsyncIterator[Result]:
    """Yield what each check finds, in their order. `offline` asks nobody but the database."""
    for result in check_settings(deployment.settings):
        yield result
    reachable = await check_reachable(deployment.db)
    for result in reachable:
        yield result
    is_usable = reachable[-1].outcome is Outcome.OK
    asked = [] if offline else await _ask_cloudpress(deployment)
    for part in _parts(deployment, asked, is_usable=is_usable, offline=offline):
        async for result in part:
            yield result


def _parts(
    deployment: Deployment, asked: Sequence[Asked], *, is_usable: bool, offline: bool
) -> Iterator[AsyncIterator[Result]]:
    """Yield the checks that follow, in their order."""
    db = deployment.db
    ahead = next((each.ahead_seconds for each in asked if each.ahead_seconds is not None), None)
    if is_usable:
        yield _guarded(db, Check.DATABASE, _inside(deployment, ahead))
    yield _told(not_asked() if offline else [result for each in asked for result in each.results])
    if is_usable:
        yield _guarded(db, Check.WORKERS, check_workers(db))
    if offline:
        yield _told([skipped(check, "offline") for check in (Check.NAME, *AFTER_NAME)])
    else:
        yield Prober(deployment.settings, db if is_usable else None).check()
    if is_usable:
        yield _guarded(db, Check.EVIDENCE, _applications(deployment, offline=offline))
    else:
        unseen = (Check.KEYS, Check.WORKERS, Check.EVIDENCE, Check.WEBHOOKS)
        yield _told([skipped(check, AWAY) for check in unseen])


async def _told(results: Sequence[Result]) -> AsyncIterator[Result]:
    for result in results:
        yield result


async def _ask_cloudpress(deployment: Deployment) -> Sequence[Asked]:
    account_ids = await accounts_of(deployment.db, deployment.settings.cloudpress_account_id)
    return await asyncio.gather(*(check_account(deployment.clients, each) for each in account_ids))


async def _inside(deployment: Deployment, ahead_seconds: float | None) -> AsyncIterator[Result]:
    db = deployment.db
    can_write = True
    async for result in check_database(db):
        can_write = can_write and result.outcome is not Outcome.FAILED
        yield result
    yield await check_listen(db) if can_write else skipped(Check.LISTEN, "nothing can be written")
    yield await check_clock(db, ahead_seconds)
    yield await check_keys(db, deployment.settings.secret_keys)


async def _applications(deployment: Deployment, *, offline: bool) -> AsyncIterator[Result]:
    db = deployment.db
    yield await check_evidence(db)
    yield await check_enabled(db)
    if offline:
        yield skipped(Check.WEBHOOK_ADDRESSES, "offline")
        yield skipped(Check.WEBHOOK_CERTIFICATES, "offline")
        return
    async for result in check_ways(db, deployment.settings.webhook_allowance):
        yield result


async def _guarded(db: Database, check: Check, results: AsyncIterator[Result]) -> AsyncIterator[Result]:
    """Pass results on; a database that fails meanwhile ends them with one of `check`."""
    try:
        async for result in results:
            yield result
    except (SQLAlchemyError, *DATABASE_AWAY) as error:
        reason = in_words(error, secrets_of(db.url))
        yield failed(check, f"the database failed while it was asked: {reason}", "run the doctor again")
