"""CloudPress for every account: a client for each, and checks that the API asks for."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from app.accounts.measured import Measured
from app.accounts.store import UnknownAccountError, find_token
from app.accounts.told import ToldOrder, find_shown, tell_order
from app.cloudpress import CloudPress, Connections, Refused
from app.cloudpress.circuit_breaker import CircuitBreaker
from app.config.settings import Settings
from app.db.database import Database
from app.secrets import UndecryptableError
from app.telemetry.metrics import Metrics

log = structlog.get_logger()


@dataclass(frozen=True)
class _Known:
    stored_at: datetime
    provider: CircuitBreaker


class AccountClients:
    """CloudPress, account by account. The environment's account outranks a stored one of the same id."""

    def __init__(self, settings: Settings, db: Database, metrics: Metrics) -> None:
        """Prepare; nothing is asked yet."""
        self._settings = settings
        self._db = db
        self._metrics = metrics
        self._connections = Connections()
        self._default = self._guarded(
            settings.cloudpress_account_id, settings.cloudpress_api_token.get_secret_value()
        )
        self._known: dict[str, _Known] = {}

    def _guarded(self, account_id: str, token: str) -> CircuitBreaker:
        return CircuitBreaker(Measured(self._client(account_id, token), self._metrics))

    def _client(self, account_id: str, token: str) -> CloudPress:
        return CloudPress(
            self._connections,
            self._settings.cloudpress_base_url,
            token=token,
            account_id=account_id,
            timeout_seconds=self._settings.upstream_timeout_seconds,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    async def of(self, account_id: str) -> CircuitBreaker:
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
            known = _Known(stored.updated_at, self._guarded(account_id, stored.token))
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
        return await find_shown(await self.of(account_id), account_id, cloudpress_order_id) is not None

    async def tell_order(self, account_id: str, cloudpress_order_id: str) -> ToldOrder | None:
        """Ask what an account's order is; None if CloudPress shows the account no such order.

        Raises:
            CloudPressError: that is not to be had.
            UnknownAccountError: there is no token for the account.
        """
        return await tell_order(await self.of(account_id), account_id, cloudpress_order_id)

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
