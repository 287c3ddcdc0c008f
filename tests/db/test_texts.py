"""Every text can be stored: the database's encoding is checked, the connection's ours, the rest replaced."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from app.cli.serve import prepare
from app.config.loading import SettingsError
from app.db.database import Database
from app.db.errors import is_unfit
from app.db.models import Order
from app.db.texts import as_json
from app.db.url import async_database_url
from app.maintenance.schema import upgrade
from app.orders.intake import NewOrder, create_order
from app.secrets import Encryption
from tests.databases import PostgresServer
from tests.settings import SECRET_KEY, make_settings

ODD = "N\x00ul, h\ud83dalf, Ł and 🏡"
STORED = "N\ufffdul, h\ufffdalf, Ł and 🏡"


def database(url: str) -> Database:
    return Database(async_database_url(url), Encryption([SECRET_KEY]))


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_store_every_text_is_refused(
    postgres_server: PostgresServer, encoding: str
) -> None:
    with postgres_server.url_of_encoding(encoding) as url:
        with pytest.raises(OperationalError) as migrating:
            upgrade(async_database_url(url))
        assert is_unfit(migrating.value)
        db = database(url)
        with pytest.raises(OperationalError, match=f"stores text as {encoding}"):
            async with db.read() as session:
                await session.execute(text("SELECT 1"))
        await db.dispose()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_serve_and_migrate_refuse_it_in_one_line(postgres_server: PostgresServer, encoding: str) -> None:
    one_line = rf"^DATABASE_URL: [^\n]*{encoding}[^\n]*ENCODING[^\n]*$"
    with postgres_server.url_of_encoding(encoding) as url, pytest.raises(SettingsError, match=one_line):
        prepare(make_settings(url))


async def test_the_encoding_of_a_connection_is_ours(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    postgres_server.set_default(postgres_url, "client_encoding", "LATIN2")
    db = database(f"{postgres_url}&client_encoding=LATIN3")
    async with db.read() as session:
        assert (await session.execute(text("SHOW client_encoding"))).scalar_one() == "UTF8"
        assert (await session.execute(text("SELECT '🏡'"))).scalar_one() == "🏡"
    await db.dispose()


async def test_what_cannot_be_stored_of_a_text_is_replaced_and_said(database_url: str) -> None:
    db = database(database_url)
    order_id = (await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)).id
    with capture_logs() as told:
        async with db.write() as tx:
            order = await tx.session.get_one(Order, order_id)
            order.error_detail = ODD
            order.error_reasons = [ODD, "plain"]
            order.client_metadata = {ODD: ODD}
    async with db.read() as session:
        stored = await session.get_one(Order, order_id)
    assert stored.error_detail == STORED
    assert stored.error_reasons == [STORED, "plain"]
    assert stored.client_metadata == {STORED: STORED}
    assert {each["event"] for each in told} == {"text_replaced"}
    assert ODD not in str(told)
    await db.dispose()


@pytest.mark.parametrize(
    ("value", "written", "reason"),
    [
        (
            {"a": [1, True, None, "ä🏡"]},
            r'{"a": [1, true, null, "\u00e4\ud83c\udfe1"]}',
            "what is whole",
        ),
        ({"a\x00": "\ud800"}, r'{"a\ufffd": "\ufffd"}', "names and values"),
        ([float("nan"), [float("-inf")]], "[null, [null]]", "numbers that JSON does not know"),
        ([r"\u0000"], r'["\\u0000"]', "a text that only looks like an escape"),
    ],
)
def test_a_document_is_written_so_that_it_can_be_stored(value: Any, written: str, reason: str) -> None:
    assert as_json(value) == written, reason
