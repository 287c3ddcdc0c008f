"""The way on when a key of `SECRET_KEY` is lost: what it alone could decrypt is given up, and said."""

from collections import Counter
from collections.abc import Mapping
from functools import partial

from sqlalchemy import Column, Table, delete, update

from app.db.columns import Cipher
from app.db.database import Database
from app.db.models import Account, Webhook
from app.db.transactions import Transaction
from app.maintenance.encrypted import Values, as_stored, change_each, encrypted_columns, is_row
from app.secrets import UndecryptableError
from app.webhooks.registry import disable
from app.webhooks.signing import new_secret

SECRET_LOST = "Its secret was lost with SECRET_KEY: rotate it, tell the application, and enable the webhook."  # noqa: S105 - a text


async def forget_undecryptable(db: Database, cipher: Cipher) -> Mapping[str, int]:
    """Give up every value that `cipher`, the database's own, cannot decrypt; count them by table and column.

    An account whose token is lost is removed: it has to be stored again. A webhook whose secret is lost gets
    a new one, and is disabled until somebody has told the application. Of all else (answers and callbacks as
    they came, ssh passwords) nothing is left; orders stay and go on.
    """
    given_up: Counter[str] = Counter()

    async def forget(
        table: Table, columns: list[Column[bytes]], tx: Transaction, key: tuple[object, ...], values: Values
    ) -> None:
        stored = zip(columns, values, strict=True)
        lost = [column for column, value in stored if value and not _is_readable(cipher, value)]
        if lost:
            await _give_up(tx, table, key, lost)
            given_up.update(f"{table.name}.{column.name}" for column in lost)

    for table, columns in encrypted_columns():
        await change_each(db, table, [*map(as_stored, columns)], partial(forget, table, columns))
    return given_up


def _is_readable(cipher: Cipher, value: bytes) -> bool:
    try:
        cipher.decrypt(value)
    except UndecryptableError:
        return False
    return True


async def _give_up(tx: Transaction, table: Table, key: tuple[object, ...], lost: list[Column[bytes]]) -> None:
    same = is_row(table, key)
    if table.name == Account.__tablename__:
        await tx.session.execute(delete(table).where(*same))
        return
    # Where there has to be something, it is nothing: an empty body, an empty answer.
    values: dict[str, bytes | None] = {column.name: None if column.nullable else b"" for column in lost}
    if table.name == Webhook.__tablename__ and "secret" in values:
        values["secret"] = new_secret().encode()
    await tx.session.execute(update(table).where(*same).values(values))
    if table.name == Webhook.__tablename__ and "secret" in values:
        webhook = await tx.session.get_one(Webhook, key[0])
        if webhook.is_enabled:
            await disable(tx, webhook, SECRET_LOST)
