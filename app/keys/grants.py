"""What a key may do: its scopes, its accounts, and until when."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.db.models import ApiKey
from app.events.timeline import Actor


class Scope(StrEnum):
    """What a key may do."""

    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    ORDERS_ERASE = "orders:erase"
    CREDENTIALS_READ = "credentials:read"
    ACCOUNTS_WRITE = "accounts:write"
    KEYS_WRITE = "keys:write"
    WEBHOOKS_WRITE = "webhooks:write"
    METRICS_READ = "metrics:read"


@dataclass(frozen=True)
class Grant:
    """Whose key was presented and what it may do.

    `identity` outlives the key's rotation and owns its idempotency keys; `name` is what timelines show.
    `account_ids` is None for every account, `expires_at` for a key that goes on working; that of a key that
    was replaced is the end of its grace at the latest.
    """

    identity: str
    name: str
    scopes: frozenset[str] = frozenset(Scope)
    account_ids: frozenset[str] | None = None
    expires_at: datetime | None = None
    key_id: UUID | None = None
    """None for the environment's key."""
    lasts_seconds: float | None = None
    """How much longer it is let in by itself, as of the check; None for ever."""
    digest: str | None = field(default=None, repr=False)
    """Of the key as it was presented, which may be one that was replaced; None for the environment's key."""

    @property
    def actor(self) -> Actor:
        """Who acts by this key, as timelines tell it."""
        return Actor(self.name, self.key_id)

    def may_see(self, account_id: str) -> bool:
        """Tell whether the account and its orders exist for this key."""
        return self.account_ids is None or account_id in self.account_ids

    def covers(self, scopes: Iterable[str], account_ids: Iterable[str] | None) -> bool:
        """Tell whether this key may do all that another one may."""
        within = self.account_ids is None or (
            account_ids is not None and self.account_ids.issuperset(account_ids)
        )
        # The environment's key may do everything, also what a newer release lets a key do.
        return within and (self.key_id is None or self.scopes.issuperset(scopes))

    def includes(self, key: ApiKey) -> bool:
        """Tell whether a stored key exists for this one: it is its own, or one that it could have made."""
        return key.id == self.key_id or self.gives(key)

    def gives(self, key: "ApiKey | NewKey") -> bool:
        """Tell whether a key may do no more than this one, for no longer."""
        return self.covers(key.scopes, key.account_ids) and self._outlasts(key.expires_at)

    def rules(self, key: ApiKey) -> bool:
        """Tell whether this key may replace and revoke a stored one: none that was replaced ends what has."""
        was_replaced = key.id == self.key_id and key.hash != self.digest
        return not was_replaced and self.gives(key)

    def _outlasts(self, expires_at: datetime | None) -> bool:
        return self.expires_at is None or (expires_at is not None and expires_at <= self.expires_at)


@dataclass(frozen=True)
class NewKey:
    """What a key is made of."""

    name: str
    scopes: tuple[str, ...]
    account_ids: tuple[str, ...] | None = None
    expires_at: datetime | None = None
