"""Which keys of `SECRET_KEY` are still needed, and by what."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence

from sqlalchemy import Column, Table, func, select

from app.db.database import Database
from app.db.models import RESTORED, Order, Placement
from app.maintenance.doctor.checks import Check, Result, counted, failed, ok, warning
from app.maintenance.encrypted import as_stored, encrypted_columns
from app.secrets import Encryption, UndecryptableError, key_id
from app.states import FINAL, OrderStatus

BATCH = 500
OPEN = [status for status in OrderStatus if status not in FINAL]
NO_KEY = -1


async def check_keys(db: Database, secret_keys: Sequence[str], *, whole: bool = True) -> Result:
    """Count what needs which key: the callbacks of open orders, and values that are encrypted.

    Unless `whole`, only the former are counted: reading all values takes its time.
    """
    orders = await _orders(db, secret_keys)
    values = await _values(db, secret_keys) if whole else Counter[int]()
    if orders[NO_KEY] or values[NO_KEY]:
        lost = []
        if orders[NO_KEY]:
            lost.append(f"the callbacks of {counted(orders[NO_KEY], 'open order')}")
        if values[NO_KEY]:
            lost.append(counted(values[NO_KEY], "encrypted value"))
        advice = "add that key to SECRET_KEY again, behind the first, until it is needed no more"
        return failed(Check.KEYS, f"SECRET_KEY lacks a key that is needed by {' and '.join(lost)}", advice)
    former = range(1, len(secret_keys))
    if not former:
        return ok(Check.KEYS, "the one key")
    return _former(orders, values, len(secret_keys), whole=whole)


def _former(orders: Counter[int], values: Counter[int], keys: int, *, whole: bool) -> Result:
    """Say which of the keys behind the first may go."""
    told, may_go = [], []
    for place in range(1, keys):
        if orders[place] or values[place] or not whole:
            told.append(
                f"key {place + 1} is needed by {counted(orders[place], 'open order')}"
                + (f" and {counted(values[place], 'encrypted value')}" if whole else "")
            )
        else:
            may_go.append(str(place + 1))
    if may_go:
        told.append(f"key {', '.join(may_go)} is needed by nothing: it may go")
        return warning(Check.KEYS, "; ".join(told), "take what may go out of SECRET_KEY")
    more = "; `presshook rekey` writes values anew" if any(values[place] for place in range(1, keys)) else ""
    return ok(Check.KEYS, "; ".join(told) + more)


async def _orders(db: Database, secret_keys: Sequence[str]) -> Counter[int]:
    """Count open orders by the place of the key that their callbacks are signed with."""
    places = {key_id(key): place for place, key in reversed(list(enumerate(secret_keys)))}
    by_key = (
        select(Placement.callback_key_id, func.count(func.distinct(Placement.order_id)))
        .join(Order, Order.id == Placement.order_id)
        .where(Order.status.in_(OPEN), Placement.callback_key_id != RESTORED)
        .group_by(Placement.callback_key_id)
    )
    found: Counter[int] = Counter()
    async with db.read() as session:
        for name, count in await session.execute(by_key):
            found[places.get(name, NO_KEY)] += count
    return found


async def _values(db: Database, secret_keys: Sequence[str]) -> Counter[int]:
    """Count encrypted values by the place of the key that they were written under."""
    ciphers = [Encryption([key]) for key in secret_keys]
    found: Counter[int] = Counter()
    for table, columns in encrypted_columns():
        async for value in _read(db, table, columns):
            found[_place(ciphers, value)] += 1
    return found


async def _read(db: Database, table: Table, columns: list[Column[bytes]]) -> AsyncIterator[bytes]:
    """Yield what is stored in columns, as it is, from the first row to the last."""
    keys = list(table.primary_key.columns)
    raw = [*map(as_stored, columns)]
    async with db.read() as session:
        rows = await session.stream(select(*raw).order_by(*keys), execution_options={"yield_per": BATCH})
        async for row in rows:
            for value in row:
                if value:
                    yield bytes(value)


def _place(ciphers: Sequence[Encryption], value: bytes) -> int:
    for place, cipher in enumerate(ciphers):
        try:
            cipher.decrypt(value)
        except UndecryptableError:
            continue
        return place
    return NO_KEY
