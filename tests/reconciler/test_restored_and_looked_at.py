"""`after-restore` may be run again, and what it is told is heeded: no lost order is bought a second time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app.cli import command_line
from app.db.database import Database
from app.db.models import Restoration
from app.db.url import async_database_url
from app.events.timeline import Actor
from app.keys.changing import make_key, revoke_key
from app.keys.grants import NewKey
from app.maintenance.after_restore import count_brought_back, doubt_unplaced_orders, skip_event_numbers
from app.maintenance.fitness import Usability
from app.orders.restorations import remember_restoration
from app.secrets import Encryption
from app.states import OrderStatus
from tests.reconciler.scripted import Bench
from tests.reconciler.test_orphans import orphans, search_of
from tests.settings import SECRET_KEY


async def after_restore(bench: Bench) -> None:
    """Do what the command does, in its order."""
    assert await remember_restoration(bench.db) is not None
    await skip_event_numbers(bench.db)
    await doubt_unplaced_orders(bench.db)


async def lost_two_days_ago(bench: Bench) -> str:
    """Have an order at CloudPress of which the backup knows nothing, which was made two days before."""
    await bench.order("Known before")
    await bench.work()
    bench.cloudpress.end("cp-1", "OK")
    await bench.work_for(300)
    await bench.order("Waits")
    bench.clock.time += timedelta(hours=1)
    lost = bench.cloudpress.land("Lost")
    bench.clock.time += timedelta(days=2)
    return lost


async def is_found_and_not_bought_again(bench: Bench, lost: str) -> None:
    repeat = await bench.order("Lost")
    await search_of(bench).search()
    found = await orphans(bench)
    await bench.work_for(10 * 900)
    made = [order for order in bench.cloudpress.orders_made.values() if order.site]
    times = sum(order.site is not None and order.site.name == "Lost" for order in made)
    assert (found, times, (await bench.read(repeat)).status) == ([lost], 1, OrderStatus.UNCONFIRMED)


async def test_after_restore_run_once(bench: Bench) -> None:
    """What is lost is found (this is the control)."""
    lost = await lost_two_days_ago(bench)
    await after_restore(bench)
    await is_found_and_not_bought_again(bench, lost)


async def test_after_restore_run_again_forgets_nothing_that_was_lost(bench: Bench) -> None:
    """The service looks through what CloudPress has made since the backup (deployment.md, "Backups")."""
    lost = await lost_two_days_ago(bench)
    await after_restore(bench)  # which has orders doubted, now
    bench.clock.time += timedelta(minutes=1)
    await after_restore(bench)  # once more: with another option, or since the first was cut off
    await is_found_and_not_bought_again(bench, lost)


async def test_doctor_before_after_restore_hides_nothing_that_was_lost(bench: Bench) -> None:
    """ "Run it first, whatever the matter is" (operating.md, of `presshook doctor`): it changes nothing."""
    lost = await lost_two_days_ago(bench)
    await Usability(bench.db).prove()  # as doctor's check of the rights does
    await after_restore(bench)
    await is_found_and_not_bought_again(bench, lost)


async def test_what_happens_before_after_restore_is_not_when_the_backup_was_made(bench: Bench) -> None:
    """Whoever made a key in the restored database has hidden nothing either."""
    lost = await lost_two_days_ago(bench)
    await make_key(bench.db, NewKey("shop", ("orders:read",), None, None), by=Actor("operator"))
    await after_restore(bench)
    await is_found_and_not_bought_again(bench, lost)


async def test_keys_that_are_back_are_told(bench: Bench) -> None:
    """What was revoked since the backup works again in what is restored of it."""
    by = Actor("operator")
    made = [await make_key(bench.db, NewKey(name, ("orders:read",)), by=by) for name in ("shop", "agency")]
    assert await count_brought_back(bench.db) == (2, 0)
    await revoke_key(bench.db, made[0].stored.id, by=by)
    assert await count_brought_back(bench.db) == (1, 0)


def said(database_url: str, since: str) -> tuple[int, str]:
    run = CliRunner().invoke(
        command_line(["after-restore"]),
        ["after-restore", "--since", since],
        env={"DATABASE_URL": database_url},
    )
    return run.exit_code, run.output + str(run.exception or "")


async def stored(database_url: str) -> list[datetime]:
    db = Database(async_database_url(database_url), Encryption([SECRET_KEY]))
    async with db.read() as session:
        found = list(await session.scalars(select(Restoration.since)))
    await db.dispose()
    return found


def test_a_zone_in_since_is_heeded(database_url: str) -> None:
    """What CloudPress has made since the backup is looked through: 04:00+02:00 is 02:00 in UTC."""
    status, output = said(database_url, "2026-11-26T04:00:00+02:00")
    assert status == 0, output
    assert asyncio.run(stored(database_url)) == [datetime(2026, 11, 26, 2, tzinfo=UTC)]


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_has_not_is_refused(database_url: str, since: str) -> None:
    """Bad input gets a clear error that names what is wrong, and no traceback."""
    status, output = said(database_url, since)
    assert status == 2, output
    assert "--since" in output
    assert asyncio.run(stored(database_url)) == []


def test_a_backup_of_the_future_is_refused(database_url: str) -> None:
    """Bad input gets a clear error: since a time to come nothing at all would be looked through."""
    status, output = said(database_url, "2099-01-01T00:00:00")
    assert status == 2, output
    assert "--since" in output
    assert asyncio.run(stored(database_url)) == []
