"""The way on when a key of `SECRET_KEY` is lost: what it alone could decrypt is given up, and said."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Column, LargeBinary, Table, delete, select, tuple_, type_coerce, update

from app.db.columns import Base, Cipher, EncryptedBytes
from app.db.database import Database, Transaction
from app.db.models import Account, Webhook
from app.maintenance.after_restore import BATCH
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
    for table in Base.metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, EncryptedBytes)]
        if columns:
            await _go_through(db, table, columns, cipher, given_up)
    return given_up


async def _go_through(
    db: Database, table: Table, columns: list[Column[bytes]], cipher: Cipher, given_up: Counter[str]
) -> None:
    keys = list(table.primary_key.columns)
    raw = [type_coerce(column, LargeBinary) for column in columns]
    last: tuple[object, ...] | None = None
    while True:
        async with db.write() as tx:
            following = select(*keys, *raw).order_by(*keys).limit(BATCH).with_for_update()
            if last is not None:
                following = following.where(tuple_(*keys) > last)
            rows = (await tx.session.execute(following)).all()
            for row in rows:
                stored = zip(columns, row[len(keys) :], strict=True)
                lost = [column for column, value in stored if not _is_readable(cipher, value)]
                if lost:
                    await _give_up(tx, table, tuple(row[: len(keys)]), lost)
                    given_up.update(f"{table.name}.{column.name}" for column in lost)
        if not rows:
            return
        last = tuple(rows[-1][: len(keys)])


def _is_readable(cipher: Cipher, value: bytes | None) -> bool:
    try:
        return not value or cipher.decrypt(bytes(value)) is not None  # nothing is stored as nothing
    except UndecryptableError:
        return False


async def _give_up(tx: Transaction, table: Table, key: tuple[object, ...], lost: list[Column[bytes]]) -> None:
    same = [column == part for column, part in zip(table.primary_key.columns, key, strict=True)]
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
