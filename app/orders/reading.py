"""Reads an order with what CloudPress has shown of it, and the credentials of its site."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from app.db.database import Database
from app.db.errors import repeated
from app.db.models import Order, Site, Task
from app.events.timeline import Actor, record
from app.events.types import EventType


@dataclass(frozen=True)
class OrderView:
    """An order with what CloudPress has shown of it."""

    order: Order
    tasks: Sequence[Task]
    site: Site | None


@dataclass(frozen=True)
class Credentials:
    """How to log in to a site by ssh."""

    ipaddr: str | None
    username: str | None
    password: str | None = field(repr=False)
    port: int | None


async def find_order(session: AsyncSession, order_id: UUID) -> OrderView | None:
    """Return an order with its tasks and its site, None if there is no such order."""
    order = await session.get(Order, order_id)
    if order is None:
        return None
    tasks = (await session.scalars(select(Task).where(Task.order_id == order_id).order_by(Task.id))).all()
    return OrderView(order, tuple(tasks), await session.get(Site, order_id))


async def view_now(session: AsyncSession, order: Order) -> OrderView:
    """Return an order with its tasks and its site, with what the transaction has changed of them."""
    await session.flush()
    return await find_order(session, order.id) or OrderView(order, (), None)


async def find_credentials(session: AsyncSession, order_id: UUID) -> Credentials | None:
    """Return how to log in to an order's site, for nobody to read; None as `read_credentials`.

    Raises:
        UndecryptableError: as `read_credentials`.
    """
    site = await session.get(Site, order_id, options=[undefer(Site.ssh_password)])
    if site is None or not site.details:  # none yet, or none any more
        return None
    ssh = site.details.get("ssh") or {}
    password = site.ssh_password.decode() if site.ssh_password is not None else None
    return Credentials(ssh.get("ipaddr"), ssh.get("username"), password, ssh.get("port"))


@repeated
async def read_credentials(db: Database, order_id: UUID, *, reader: Actor) -> Credentials | None:
    """Return how to log in to an order's site, None while there is no such order or no site yet.

    That they were read, and by whom, is committed before they are returned.

    Raises:
        UndecryptableError: the password was stored under a key that SECRET_KEY no longer holds.
    """
    async with db.write() as tx:
        # The order first, as everywhere: the event below refers to it.
        await tx.session.get(Order, order_id, with_for_update=True)
        credentials = await find_credentials(tx.session, order_id)
        if credentials is not None:
            record(tx, order_id, EventType.CREDENTIALS_READ, by=reader)
        return credentials
