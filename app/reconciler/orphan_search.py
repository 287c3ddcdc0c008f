"""Looks through what CloudPress has made since a backup, account by account, for orders that no row holds.

Every process that works does so by itself after a restoration: what two find is kept once.

That a list does not show an order is no evidence: it may lag, or have shifted between two pages. So a search
ends with a look that shows nothing new, and that begins no sooner after the restoration than an unconfirmed
order may be placed again after its request.
"""

import time
from dataclasses import replace
from datetime import datetime

import structlog

from app.accounts.store import UnknownAccountError
from app.cloudpress import Answer, CloudPressError, NotFound, OrderSummary
from app.cloudpress.protocol import Provider
from app.db.database import Database
from app.db.models import Restoration
from app.orders import orphans, restorations
from app.orders.orphans import Found
from app.queue.pausing import pause
from app.queue.signals import Signals
from app.reconciler.callback_hints import is_about_one
from app.reconciler.dependencies import Providers
from app.reconciler.window import CLEARLY_OLDER, NO_TIME_BEFORE

LOOK_SECONDS = 5.0
# So often an account is looked through in a row while each time something new turns up.
MOST_LOOKS = 5
# More pages than any account has: a list that never ends is none.
MOST_PAGES = 10_000

log = structlog.get_logger()


class OrphanSearch:
    """Sees to it that after a restoration every account's orders are looked through."""

    def __init__(
        self,
        db: Database,
        providers: Providers,
        signals: Signals,
        *,
        own_account_id: str,
        grace_seconds: float,
    ) -> None:
        """Prepare; `own_account_id` is the environment's, which no table holds.

        A search ends no sooner than `grace_seconds` after the restoration.
        """
        self._db = db
        self._providers = providers
        self._signals = signals
        self._own_account_id = own_account_id
        self._grace_seconds = grace_seconds
        self._began_at = time.monotonic()
        self._looked: set[tuple[int, str]] = set()
        """What was looked through, too early for that to be the end."""
        self._left_alone_until: dict[str, float] = {}
        """By account until when CloudPress wants to be left alone (`Retry-After`), by the process's time."""

    async def run(self) -> None:
        """Search whenever there is something to be searched, until the process ends."""
        while not self._signals.stopping.is_set():
            with self._db.outages.heeding("orphan search"):
                await self.search()
            await pause(LOOK_SECONDS, until=self._signals.stopping)

    async def search(self) -> None:
        """Look through what has not been looked through; what cannot be is tried again the next time."""
        async with self._db.read() as session:
            restoration = await restorations.last_restoration(session)
            if restoration is None:
                return
            missing = await restorations.not_begun(session, restoration.id, self._own_account_id)
        await restorations.begin_searches(self._db, restoration.id, missing)
        async with self._db.read() as session:
            accounts = await restorations.open_searches(session, restoration.id)
            now = await self._db.now(session)
        # By the process's own time as well, for the database's clock may have been put back.
        waited = max((now - restoration.restored_at).total_seconds(), time.monotonic() - self._began_at)
        for account_id in accounts:
            if self._signals.stopping.is_set():
                return
            is_early = waited < self._grace_seconds
            if self._left_alone_until.get(account_id, 0.0) > time.monotonic():
                continue
            if not is_early or (restoration.id, account_id) not in self._looked:
                await self._search_account(restoration, account_id, is_early=is_early)

    async def _search_account(self, restoration: Restoration, account_id: str, *, is_early: bool) -> None:
        found = 0
        try:
            provider = await self._providers(account_id)
            for _ in range(MOST_LOOKS):
                new = await self._look_through(provider, restoration, account_id)
                found += new
                if not new:
                    break
            else:
                log.warning("orphan_search_goes_on", account=account_id, found=found)
                return
        except (CloudPressError, UnknownAccountError) as error:
            # Nothing is placed for the account meanwhile, so nobody may miss it.
            log.warning("orphan_search_failed", account=account_id, error=type(error).__name__)
            asked = error.retry_after_seconds if isinstance(error, CloudPressError) else None
            self._left_alone_until[account_id] = time.monotonic() + (asked or 0.0)
            return
        self._looked.add((restoration.id, account_id))
        if not is_early:
            await restorations.end_search(self._db, restoration.id, account_id)
        tell = log.warning if found else log.info
        since = restoration.since.isoformat()
        tell("orphans_searched", account=account_id, since=since, found=found, is_done=not is_early)

    async def _look_through(self, provider: Provider, restoration: Restoration, account_id: str) -> int:
        """Keep what nobody holds of all pages of an account's list; return how many that are.

        One that cannot be read keeps none of the others from being found.

        Raises:
            CloudPressError: the list, or what is on it, could not be read whole.
        """
        count, page, seen, errors = 0, 1, set[str](), list[CloudPressError]()
        while page <= MOST_PAGES:
            answer = await provider.orders(page=page)
            new = [summary for summary in answer.value if summary.id not in seen]
            if not new:
                break  # the end, or a list that repeats its last page for ever
            seen |= {summary.id for summary in new}
            count += await self._keep(provider, restoration, account_id, answer, new, errors)
            page += 1
        worst = max(errors, key=lambda error: error.retry_after_seconds or 0.0, default=None)
        if worst is not None and (not count or worst.retry_after_seconds):
            raise worst
        return count

    async def _keep(
        self,
        provider: Provider,
        restoration: Restoration,
        account_id: str,
        answer: Answer[tuple[OrderSummary, ...]],
        summaries: list[OrderSummary],
        errors: list[CloudPressError],
    ) -> int:
        async with self._db.read() as session:
            now = await self._db.now(session)
            ids = [summary.id for summary in summaries]
            known = await orphans.held_or_known(session, account_id, ids)
        found, unread = [], dict[str, tuple[OrderSummary, CloudPressError]]()
        for summary in summaries:
            if summary.id in known or not _is_since(restoration.since, summary, answer.date, now):
                continue
            try:
                found.append(await _told(provider, summary))
            except CloudPressError as error:
                if not is_about_one(error):
                    raise
                unread[summary.id] = summary, error
        for_good = await restorations.note_unread(self._db, restoration.id, account_id, unread)
        found += [_untold(unread[order_id][0]) for order_id in sorted(for_good)]
        errors += [error for order_id, (_, error) in unread.items() if order_id not in for_good]
        return await orphans.keep_found(self._db, restoration.id, account_id, found) if found else 0


def _is_since(since: datetime, summary: OrderSummary, answered_at: datetime | None, now: datetime) -> bool:
    """Tell whether an order can have been made since the backup: ages are compared, each by its own clock.

    Clocks of the database's former machine, of this one and of CloudPress need not agree.
    """
    if summary.created_at is None or summary.created_at < NO_TIME_BEFORE:
        return True
    return (answered_at or now) - summary.created_at <= now - since + CLEARLY_OLDER


def _untold(summary: OrderSummary) -> Found:
    return Found(summary.id, summary.status, None, summary.variant, summary.created_at)


async def _told(provider: Provider, summary: OrderSummary) -> Found:
    """Ask what the list does not tell: the site's name."""
    found = _untold(summary)
    try:
        details = (await provider.order(summary.id)).value
        found = replace(found, cloudpress_status=details.status or found.cloudpress_status)
        if details.site is not None:
            name = details.site.name or (await provider.site(details.site.id)).value.name
            found = replace(found, site_name=name)
    except (NotFound, ValueError):
        pass  # it was listed, so it counts, whatever it is called
    return found
