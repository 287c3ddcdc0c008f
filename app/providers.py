"""CloudPress for every account: clients by account, what can be ordered, and checks that the API asks for."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from app.accounts import UnknownAccountError, find_token
from app.cloudpress import About, Answer, CloudPress, CloudPressError, Connections, NotFound, Refused
from app.config import Settings
from app.db import DATABASE_AWAY, Database
from app.reconciler import OneProbe
from app.secrets import UndecryptableError

CATALOG_FRESH_SECONDS = 300.0
CATALOG_USABLE_SECONDS = 24 * 3600.0

log = structlog.get_logger()


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
class _Known:
    stored_at: datetime
    provider: OneProbe


@dataclass(frozen=True)
class _Fetched:
    answer: Answer[About]
    at: datetime
    at_monotonic: float


class Providers:
    """CloudPress, account by account. The environment's account outranks a stored one of the same id."""

    def __init__(self, settings: Settings, db: Database) -> None:
        """Prepare; nothing is asked yet."""
        self._settings = settings
        self._db = db
        self._connections = Connections()
        self._default = OneProbe(
            self._client(settings.cloudpress_account_id, settings.cloudpress_api_token.get_secret_value())
        )
        self._known: dict[str, _Known] = {}
        self._catalogs: dict[str, _Fetched] = {}
        self._fetching: dict[str, asyncio.Task[_Fetched]] = {}

    def _client(self, account_id: str, token: str) -> CloudPress:
        return CloudPress(
            self._connections,
            self._settings.cloudpress_base_url,
            token=token,
            account_id=account_id,
            timeout_seconds=self._settings.upstream_timeout_seconds,
        )

    async def aclose(self) -> None:
        """End what is under way and close all connections."""
        for task in list(self._fetching.values()):
            task.cancel()
        await asyncio.gather(*self._fetching.values(), return_exceptions=True)
        await self._connections.aclose()

    async def of(self, account_id: str) -> OneProbe:
        """Return CloudPress under an account, with the token that is stored now.

        Raises:
            UnknownAccountError: there is no token for it, or none that can be decrypted.
        """
        if account_id == self._settings.cloudpress_account_id:
            return self._default
        known = self._known.get(account_id)
        try:
            async with self._db.read() as session:
                stored = await find_token(session, account_id, unless_of=known.stored_at if known else None)
        except UndecryptableError:
            log.error("account_token_undecryptable", account=account_id)
            raise UnknownAccountError from None
        except UnknownAccountError:
            self._known.pop(account_id, None)
            raise
        if stored is not None:
            known = _Known(stored.updated_at, OneProbe(self._client(account_id, stored.token)))
            self._known[account_id] = known
        if known is None:
            raise UnknownAccountError
        return known.provider

    async def has_order(self, account_id: str, cloudpress_order_id: str) -> bool:
        """Ask whether an account has an order.

        Raises:
            CloudPressError: that is not to be had.
            UnknownAccountError: there is no token for the account.
        """
        provider = await self.of(account_id)
        try:
            details = await provider.order(cloudpress_order_id)
        except (NotFound, ValueError):
            return False
        return details.value.account_id in {None, account_id}

    async def refusal_of_token(self, account_id: str, token: str) -> str | None:
        """Ask whether CloudPress takes a token for an account; return its words if it refuses.

        Raises:
            CloudPressError: that is not to be had.
        """
        client = self._client(account_id, token)
        try:
            await client.about()
            # `about` may do without the account; the list of orders needs it. (provider page: X-Auth-Account)
            await client.orders()
        except Refused as error:
            if error.status in {400, 401, 402, 403, 404, 422}:
                return str(error)
            raise
        return None

    # --- catalogs -----------------------------------------------------------------------------------

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
        provider = await self.of(account_id)
        return _Fetched(await provider.about(), datetime.now(UTC), time.monotonic())
