"""CloudPress accounts beside that of the environment: stored with their tokens, which never come out.

The database only: whether CloudPress accepts a token is asked elsewhere.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Account, Order
from app.events.timeline import Actor, record
from app.events.types import EventType
from app.states import FINAL, AttentionCode, OrderStatus

OPEN = [status for status in OrderStatus if status not in FINAL]


class UnknownAccountError(Exception):
    """No token is configured for an account."""


class AccountInUseError(Exception):
    """An account has open orders, which need its token."""

    def __init__(self, open_orders: int) -> None:
        super().__init__(f"{open_orders} open orders")
        self.open_orders = open_orders


@dataclass(frozen=True)
class StoredToken:
    """An account's API token, and when it was stored."""

    token: str
    updated_at: datetime

    def __repr__(self) -> str:
        """Tell nothing of the token."""
        return f"StoredToken(updated_at={self.updated_at!r})"


@dataclass(frozen=True)
class AccountChange:
    """What an account is to be: without a `token` it keeps the one that it has, and so with `keeps_name`."""

    name: str | None = None
    token: str | None = field(default=None, repr=False)
    keeps_name: bool = False


@dataclass(frozen=True)
class StoredAccount:
    """An account as it is stored now, and whether it was new."""

    account: Account
    is_new: bool


async def store_account(db: Database, account_id: str, change: AccountChange, *, by: Actor) -> StoredAccount:
    """Store an account, or change it; `by` is who does, as the service's timeline tells it.

    Its orders that CloudPress refused for the former token, or that had none, go on at once.

    Raises:
        UnknownAccountError: it is new, and there is no token.
    """
    try:
        return await _store(db, account_id, change, by)
    except IntegrityError:
        # It was new to two requests at once, and the other one was first.
        return await _store(db, account_id, change, by)


@repeated
async def _store(db: Database, account_id: str, change: AccountChange, by: Actor) -> StoredAccount:
    token = change.token
    async with db.write() as tx:
        account = await tx.session.get(Account, account_id, with_for_update=True)
        is_new = account is None
        if account is None:
            if token is None:
                raise UnknownAccountError
            account = Account(id=account_id, created_at=tx.now)
            tx.session.add(account)
        if not change.keeps_name:
            account.name = change.name
        account.updated_at = tx.now
        if token is not None:
            account.token = token.encode()
            waiting = update(Order).where(
                Order.account_id == account_id,
                Order.attention_code.in_((AttentionCode.CREDENTIALS_REFUSED, AttentionCode.ACCOUNT_UNKNOWN)),
                or_(Order.not_before.is_(None), Order.not_before <= tx.now),
                Order.due_at.is_not(None),
            )
            await tx.session.execute(
                waiting.values(due_at=tx.now, scheduled_at=tx.now, wakes=Order.wakes + 1)
            )
            tx.announce(due=Order)
        record(tx, None, EventType.ACCOUNT_STORED, account=account_id, by=by)
        return StoredAccount(account, is_new)


async def find_account(session: AsyncSession, account_id: str) -> Account | None:
    """Return an account without its token, None if it is not stored."""
    return await session.get(Account, account_id)


async def find_accounts(session: AsyncSession) -> tuple[Account, ...]:
    """Return all stored accounts without their tokens."""
    return tuple(await session.scalars(select(Account).order_by(Account.id)))


async def find_accounts_after(
    session: AsyncSession, *, among: Collection[str] | None, after: str | None, limit: int
) -> tuple[Account, ...]:
    """Return up to `limit` stored accounts by their ids, without their tokens.

    `among` are the only ones that may be returned, None for all; `after` is the last of the page before.
    """
    following = select(Account).order_by(Account.id).limit(limit)
    if among is not None:
        following = following.where(Account.id.in_(among))
    if after is not None:
        following = following.where(Account.id > after)
    return tuple(await session.scalars(following))


async def find_token(
    session: AsyncSession, account_id: str, *, unless_of: datetime | None = None
) -> StoredToken | None:
    """Return an account's token; None if it is still the one that was stored at `unless_of`.

    Raises:
        UnknownAccountError: the account is not stored.
        UndecryptableError: the token was stored under a key that SECRET_KEY no longer holds.
    """
    stored_at = select(Account.updated_at).where(Account.id == account_id)
    updated_at = (await session.execute(stored_at)).scalar_one_or_none()
    if updated_at is None:
        raise UnknownAccountError
    if updated_at == unless_of:
        return None
    account = await session.get(Account, account_id, options=[undefer(Account.token)])
    if account is None:
        raise UnknownAccountError
    return StoredToken(account.token.decode(), account.updated_at)


async def refused_since(session: AsyncSession, account_ids: list[str]) -> dict[str, datetime]:
    """Return since when CloudPress refuses an account's token, for those where an order waits for that."""
    refused = (
        select(Order.account_id, func.min(Order.attention_since))
        .where(Order.attention_code == AttentionCode.CREDENTIALS_REFUSED, Order.account_id.in_(account_ids))
        .group_by(Order.account_id)
    )
    return {account_id: since for account_id, since in await session.execute(refused) if since is not None}


@repeated
async def delete_account(db: Database, account_id: str, *, by: Actor) -> bool:
    """Forget an account and its token; return False if it was not stored.

    Raises:
        AccountInUseError: it has open orders.
    """
    async with db.write() as tx:
        # Locked first: an order that is being stored for the account has locked it, too.
        account = await tx.session.get(Account, account_id, with_for_update=True)
        if account is None:
            return False
        count = select(func.count(Order.id)).where(Order.account_id == account_id, Order.status.in_(OPEN))
        open_orders = (await tx.session.execute(count)).scalar_one()
        if open_orders:
            raise AccountInUseError(open_orders)
        await tx.session.delete(account)
        record(tx, None, EventType.ACCOUNT_REMOVED, account=account_id, by=by)
        return True
