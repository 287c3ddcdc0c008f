"""What errors of the database mean, and that a transaction is repeated where PostgreSQL asks for it."""

from uuid import uuid4

import pytest
from psycopg import errors as postgresql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from app.db.database import Database
from app.db.errors import TRIES, in_words, is_repeatable, repeated, secrets_of
from app.db.models import Order
from app.db.url import async_database_url
from app.orders.callbacks import record_callback
from app.orders.intake import NewOrder, create_order
from app.secrets import Encryption
from tests.settings import SECRET_KEY


def database(url: str) -> Database:
    return Database(async_database_url(url), Encryption([SECRET_KEY]))


async def raises(db: Database, sqlstate: str) -> DBAPIError:
    with pytest.raises(DBAPIError) as caught:
        async with db.read() as session:
            await session.execute(
                text(f"DO $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{sqlstate}'; END $$")
            )
    return caught.value


@pytest.mark.parametrize(
    ("sqlstate", "passes", "reason"),
    [
        ("57P01", True, "an administrator ends the connection"),
        ("53100", True, "a full disk"),
        ("53300", True, "too many connections"),
        ("58030", True, "the server's disk fails"),
        ("55P03", True, "a lock that was not to be had in time"),
        ("40001", True, "it asks for the transaction to be repeated"),
        ("25006", True, "a server that was made a standby"),
        ("42501", True, "a role without rights, which somebody will grant"),
        ("54000", False, "an index row that is too long stays too long"),
        ("22021", False, "so does a text that is none"),
        ("42P01", False, "a table that is not there"),
        ("23505", False, "a row that is there already"),
    ],
)
async def test_what_passes_is_told_from_what_never_does(
    postgres_url: str, sqlstate: str, *, passes: bool, reason: str
) -> None:
    db = database(postgres_url)
    assert isinstance(await raises(db, sqlstate), OperationalError) is passes, reason
    await db.dispose()


async def test_an_id_that_no_index_takes_is_no_database_that_is_away(postgres_url: str) -> None:
    db = database(postgres_url)
    order = await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    long = "".join(str(uuid4()) for _ in range(400))
    with pytest.raises(DBAPIError) as caught:
        async with db.write() as tx:
            (await tx.session.get_one(Order, order.id)).cloudpress_order_id = long
    assert isinstance(caught.value.orig, postgresql.ProgramLimitExceeded)
    assert not isinstance(caught.value, OperationalError)
    await db.dispose()


@pytest.fixture(params=["40001", "40P01"])
def sqlstate(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_transaction_is_repeated_at_once_where_nobody_was_told_anything(
    postgres_url: str, sqlstate: str
) -> None:
    db = database(postgres_url)
    async with db.write() as tx:
        await tx.session.execute(text("CREATE SEQUENCE tries"))
        await tx.session.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF nextval('tries') < 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '{sqlstate}'; END IF; "
                "RETURN NEW; END $$"
            )
        )
        # As PostgreSQL does under isolations that check this then: only the commit fails.
        await tx.session.execute(
            text(
                "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON orders "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        )
    order = await create_order(db, NewOrder("acct", "Site", "vanilla", None, None, None, {}), None)
    async with db.write() as tx:
        await tx.session.execute(text("ALTER SEQUENCE tries RESTART"))
    assert await record_callback(db, order.id, b"{}")
    async with db.read() as session:
        counted = text(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM callbacks), count(*) FROM events"
        )
        assert (await session.execute(counted)).one() == (1, 1, 2), "done once"
    await db.dispose()


async def test_it_is_not_repeated_for_ever_and_nothing_else_is(postgres_url: str) -> None:
    db = database(postgres_url)
    tried: list[str] = []

    @repeated
    async def fail(sqlstate: str) -> None:
        tried.append(sqlstate)
        raise await raises(db, sqlstate)

    for state in ("40001", "57P01"):
        with pytest.raises(OperationalError) as caught:
            await fail(state)
        assert is_repeatable(caught.value) is (state == "40001")
    assert tried == ["40001"] * TRIES + ["57P01"]
    await db.dispose()


async def test_the_words_of_the_driver_hold_no_secret() -> None:
    url = async_database_url("postgresql://user:s3%40cr%23t@127.0.0.1:9/nowhere?sslpassword=0th3r")
    error = OperationalError("SELECT 1", None, Exception("s3@cr#t and\n0th3r and more"))
    assert in_words(error, secrets_of(url)) == "*** and *** and more"
