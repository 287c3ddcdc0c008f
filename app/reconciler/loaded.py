"""What a transaction of many passes has read of their orders: each table once, when the first one needs it.

It is a picture of the rows as the transaction leaves them: whoever changes one of them changes it here, so
that the next pass of the same transaction finds it changed.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, Text, bindparam, func, literal, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import lazyload

from app.db.columns import Base
from app.db.models import (
    Callback,
    Order,
    OrphanSearch,
    Placement,
    Restoration,
    Site,
    Stranger,
    Task,
)
from app.db.several import Several, among
from app.db.transactions import Transaction
from app.db.unindexed import unindexed
from app.orders.claims import MAY_BE_NAMED_FOR_ANOTHER
from app.orders.reading import OrderView

Row = TypeVar("Row", bound=Base)

_ORDERS = select(Order).where(among(Order.id, "ids")).order_by(Order.id).options(lazyload("*"))
_LOCK = _ORDERS.with_for_update()
_LOCK_FREE = _ORDERS.with_for_update(skip_locked=True)
_PLACEMENTS = (
    select(Placement)
    .where(among(Placement.order_id, "ids"))
    .order_by(Placement.order_id, Placement.attempt)
    .options(lazyload("*"))
)
CALLBACKS = (
    select(Callback)
    .where(among(Callback.order_id, "ids"))
    .order_by(Callback.order_id, Callback.id.desc())
    .options(lazyload("*"))
)
# Tasks are few, and whoever wants them mostly wants the site as well. Whether another order was answered with
# what is held comes with them, so that whoever concludes from them knows of the answers of this moment.
_TASKS_AND_SITES = (
    select(Order.id, Task, Site, MAY_BE_NAMED_FOR_ANOTHER)
    .outerjoin(Task, Task.order_id == Order.id)
    .outerjoin(Site, Site.order_id == Order.id)
    .where(among(Order.id, "ids"))
    .order_by(Order.id, Task.id)
    .options(lazyload("*"))
)
# Who holds what is named, and beside that, who was answered with it.
_HOLDERS: CompoundSelect[Any] = union_all(
    select(Order.account_id, Order.cloudpress_order_id, Order.id, literal("held")).where(
        among(Order.account_id, "accounts"), among(Order.cloudpress_order_id, "named")
    ),
    select(Order.account_id, Placement.cloudpress_order_id, Order.id, literal("answered"))
    .join(Order, Order.id == Placement.order_id)
    .where(among(unindexed(Order.account_id), "accounts"), among(Placement.cloudpress_order_id, "named")),
)
_SITE_HOLDERS = select(Site.id, Site.order_id).where(among(Site.id, "site_ids"))
_LOCK_SITES = select(
    func.pg_advisory_xact_lock(
        func.hashtext(
            "site " + func.unnest(bindparam("site_ids", type_=Several(Text())), type_=Text()).column_valued()
        )
    )
)
# The last stranger of each account, and the last restoration of the database.
_BACKGROUND: CompoundSelect[Any] = union_all(
    select(Stranger.account_id, func.max(Stranger.id))
    .where(among(Stranger.account_id, "accounts"))
    .group_by(Stranger.account_id),
    select(null(), func.max(Restoration.id)),
)


async def rows_by_order(
    session: AsyncSession, wanted: Select[Row], order_ids: Sequence[UUID]
) -> defaultdict[UUID, list[Any]]:
    """Return the rows of a table that belong to each of several orders, in their order."""
    rows: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in await session.scalars(wanted, {"ids": order_ids}):
        rows[row.order_id].append(row)  # type: ignore[attr-defined]
    return rows


class Loaded:
    """What has been read of the orders of one transaction."""

    def __init__(
        self,
        tx: Transaction,
        order_ids: Collection[UUID],
        *,
        named: Collection[str] = (),
        site_ids: Collection[str] = (),
    ) -> None:
        """Prepare to read what belongs to the orders.

        `named` are the CloudPress orders, and `site_ids` the sites, that they may come to hold.
        """
        self._tx = tx
        self._ids = sorted(order_ids)
        self._named = sorted(named)
        self._site_ids = sorted(site_ids)
        self.orders: dict[UUID, Order] = {}
        """Those that are locked."""
        self._rows: dict[type[Base], dict[UUID, list[Any]]] = {}
        self._holders: dict[tuple[str, str], UUID] | None = None
        self._answered: defaultdict[tuple[str, str], set[UUID]] = defaultdict(set)
        self._shared = set[UUID]()
        self._site_holders: dict[str, set[UUID]] | None = None
        self._background: dict[str | None, int | None] | None = None

    async def lock(self) -> None:
        """Lock the orders, all in one statement and in the order of their ids, before anything else.

        One order is waited for. Of several those are left out that somebody else has locked.
        """
        lock = _LOCK if len(self._ids) == 1 else _LOCK_FREE
        found = await self._tx.session.scalars(lock, {"ids": self._ids})
        self.orders = {order.id: order for order in found}

    async def _of(self, table: type[Row], wanted: Select[Row], order_id: UUID) -> list[Row]:
        """Return an order's rows of a table, which is read for all orders at once."""
        if table not in self._rows:
            # What passes before this one have changed is of other rows.
            with self._tx.session.no_autoflush:
                self._rows[table] = await rows_by_order(self._tx.session, wanted, list(self.orders))
        return self._rows[table][order_id]

    async def placements(self, order_id: UUID) -> list[Placement]:
        """Return the attempts to place an order, the first one first."""
        return await self._of(Placement, _PLACEMENTS, order_id)

    async def callbacks(self, order_id: UUID) -> list[Callback]:
        """Return the callbacks that were let in for an order, the newest first."""
        return await self._of(Callback, CALLBACKS, order_id)

    async def tasks(self, order_id: UUID) -> list[Task]:
        """Return an order's tasks."""
        await self._read_tasks_and_sites()
        return self._rows[Task][order_id]

    async def sites(self, order_id: UUID) -> list[Site]:
        """Return an order's site, if there is one."""
        await self._read_tasks_and_sites()
        return self._rows[Site][order_id]

    async def _read_tasks_and_sites(self) -> None:
        if Task in self._rows:
            return
        tasks: defaultdict[UUID, list[Any]] = defaultdict(list)
        sites: defaultdict[UUID, list[Any]] = defaultdict(list)
        with self._tx.session.no_autoflush:
            # SQLAlchemy's types say nothing of what an outer join leaves out.
            rows: Any = await self._tx.session.execute(_TASKS_AND_SITES, {"ids": list(self.orders)})
        for order_id, task, site, is_shared in rows:
            if is_shared:
                self._shared.add(order_id)
            if task is not None:
                tasks[order_id].append(task)
            sites[order_id] = [site] if site is not None else []
        self._rows |= {Task: tasks, Site: sites}

    async def view(self, order: Order) -> OrderView:
        """Return an order with its tasks and its site, as the transaction has left them."""
        tasks = sorted(await self.tasks(order.id), key=lambda task: task.id)
        return OrderView(order, tasks, next(iter(await self.sites(order.id)), None))

    async def is_held_by_another(self, order: Order, cloudpress_order_id: str) -> bool:
        """Tell whether another order of the account holds a CloudPress order that was named."""
        holders = await self._read_holders()
        return holders.get((order.account_id, cloudpress_order_id), order.id) != order.id

    async def is_named_to_another(self, order: Order, cloudpress_order_id: str) -> bool:
        """Tell whether CloudPress answered another order of the account with what was named."""
        await self._read_holders()
        return bool(self._answered[order.account_id, cloudpress_order_id] - {order.id})

    async def _read_holders(self) -> dict[tuple[str, str], UUID]:
        if self._holders is None:
            with self._tx.session.no_autoflush:
                accounts = sorted({each.account_id for each in self.orders.values()})
                asked = {"accounts": accounts, "named": self._named}
                rows = (await self._tx.session.execute(_HOLDERS, asked)).all()
            self._holders = {(row[0], row[1] or ""): row[2] for row in rows if row[3] == "held"}
            for account_id, named, order_id, how in rows:
                if how == "answered":
                    self._answered[account_id, named or ""].add(order_id)
            for each in self.orders.values():
                self.note_holder(each)
        return self._holders

    async def may_be_named_for_another(self, order: Order) -> bool:
        """Tell whether CloudPress may have named what an order has held for longer as another order."""
        await self._read_tasks_and_sites()
        answered = self._answered[order.account_id, order.cloudpress_order_id or ""]
        return order.id in self._shared or bool(answered - {order.id})

    def note_holder(self, order: Order) -> None:
        """Note which CloudPress order an order holds from now on."""
        if self._holders is not None and order.cloudpress_order_id is not None:
            self._holders[order.account_id, order.cloudpress_order_id] = order.id

    def note_answer(self, order: Order, cloudpress_order_id: str) -> None:
        """Note what CloudPress has answered an order with."""
        self._answered[order.account_id, cloudpress_order_id].add(order.id)

    async def is_site_of_another(self, order: Order, site_id: str) -> bool:
        """Tell whether another order has a site. Nobody else can take it until the transaction ends."""
        if self._site_holders is None:
            session = self._tx.session
            with session.no_autoflush:
                if session.get_bind().dialect.name == "postgresql":
                    await session.execute(_LOCK_SITES, {"site_ids": self._site_ids})
                holders: defaultdict[str, set[UUID]] = defaultdict(set)
                for row in await session.execute(_SITE_HOLDERS, {"site_ids": self._site_ids}):
                    holders[row[0]].add(row[1])
            self._site_holders = holders
        return bool(self._site_holders[site_id] - {order.id})

    def note_site(self, order: Order, site_id: str) -> None:
        """Note that an order has a site from now on."""
        if self._site_holders is not None:
            self._site_holders[site_id].add(order.id)

    def forget_tasks_and_site(self, order_id: UUID) -> None:
        """Forget an order's tasks and its site, which were deleted."""
        for table in (Task, Site):
            if table in self._rows:
                self._rows[table][order_id] = []
        self._shared.discard(order_id)
        for holders in (self._site_holders or {}).values():
            holders.discard(order_id)

    async def is_searched(self, account_id: str) -> bool:
        """Tell whether an account's orders have been looked through since the last restoration, if any."""
        restoration_id = (await self._read_background())[None]
        if restoration_id is None:
            return True
        search = await self._tx.session.get(OrphanSearch, (restoration_id, account_id))
        return search is not None and search.done_at is not None

    async def was_restored(self) -> bool:
        """Tell whether the database ever was; if not, there are no orphans."""
        return (await self._read_background())[None] is not None

    async def last_stranger(self, account_id: str) -> int | None:
        """Return the last of the strangers that were seen in an account."""
        return (await self._read_background()).get(account_id)

    async def _read_background(self) -> dict[str | None, int | None]:
        if self._background is None:
            accounts = {"accounts": sorted({order.account_id for order in self.orders.values()})}
            with self._tx.session.no_autoflush:
                rows = await self._tx.session.execute(_BACKGROUND, accounts)
            self._background = {row[0]: row[1] for row in rows}
        return self._background
