"""What an account can order at CloudPress: asked for once for all who want it, and kept for a while."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from app.accounts.clients import AccountClients
from app.accounts.store import UnknownAccountError
from app.cloudpress import About, Answer, CloudPressError
from app.db.errors import DATABASE_AWAY
from app.db.sharing import for_all

CATALOG_FRESH_SECONDS = 300.0
CATALOG_USABLE_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Catalog:
    """What an account could order when it was asked, and how many seconds ago that was."""

    about: About
    fetched_at: datetime
    age_seconds: float

    @property
    def is_fresh(self) -> bool:
        """Whether orders are checked against it."""
        return self.age_seconds < CATALOG_FRESH_SECONDS


@dataclass(frozen=True)
class _Fetched:
    answer: Answer[About]
    at: datetime
    at_monotonic: float


class Catalogs:
    """The catalogs of all accounts."""

    def __init__(self, clients: AccountClients) -> None:
        """Prepare; nothing is asked yet."""
        self._clients = clients
        self._catalogs: dict[str, _Fetched] = {}
        self._fetching: dict[str, asyncio.Task[_Fetched]] = {}

    async def aclose(self) -> None:
        """End what is under way."""
        for task in list(self._fetching.values()):
            task.cancel()
        await asyncio.gather(*self._fetching.values(), return_exceptions=True)

    async def catalog(self, account_id: str) -> Catalog:
        """Return what an account can order: fresh, or of the last day while CloudPress cannot be asked.

        Raises:
            CloudPressError: there is none.
            UnknownAccountError: there is no token for the account.
        """
        known = self._cached(account_id)
        if known is not None and known.is_fresh:
            return known
        try:
            await asyncio.shield(self._fetch(account_id))
        except CloudPressError:
            if known is None:
                raise
            return known
        fetched = self._cached(account_id)
        assert fetched is not None  # noqa: S101 - it was stored just now
        return fetched

    def fresh_catalog(self, account_id: str) -> Catalog | None:
        """Return the catalog if it is fresh. If it is not, one is fetched meanwhile, for the next time."""
        known = self._cached(account_id)
        if known is not None and known.is_fresh:
            return known
        self._fetch(account_id)
        return None

    def _cached(self, account_id: str) -> Catalog | None:
        fetched = self._catalogs.get(account_id)
        if fetched is None:
            return None
        age_seconds = time.monotonic() - fetched.at_monotonic
        if age_seconds > CATALOG_USABLE_SECONDS:
            return None
        return Catalog(fetched.answer.value, fetched.at, age_seconds)

    def _fetch(self, account_id: str) -> asyncio.Task[_Fetched]:
        """Fetch a catalog, once for all who want it now."""
        running = self._fetching.get(account_id)
        if running is None:
            running = asyncio.create_task(self._fetch_now(account_id), name="catalog")
            self._fetching[account_id] = running
            running.add_done_callback(lambda task: self._fetched(account_id, task))
        return running

    def _fetched(self, account_id: str, task: asyncio.Task[_Fetched]) -> None:
        del self._fetching[account_id]
        # Retrieved here, because for an order nobody waits for it.
        with suppress(asyncio.CancelledError, CloudPressError, UnknownAccountError, *DATABASE_AWAY):
            self._catalogs[account_id] = task.result()

    async def _fetch_now(self, account_id: str) -> _Fetched:
        with for_all():
            provider = await self._clients.of(account_id)
        return _Fetched(await provider.about(), datetime.now(UTC), time.monotonic())
