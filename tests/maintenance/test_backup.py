"""Backups: a copy that was taken while orders ran is restored, and nothing in it is bought twice."""

import asyncio
import errno
import os
import shlex
import sqlite3
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import command_line
from app.db.url import async_database_url
from app.maintenance.after_restore import doubt_unplaced_orders, skip_event_numbers
from app.maintenance.backup import BackupError, back_up_file, pg_dump_line
from app.orders.restorations import remember_restoration
from tests.databases import PostgresServer
from tests.harness import Presshook, Sandbox, eventually, run_presshook

ORDERS = 12
FAULTS = {"place-lost": 0.2, "place-502-after": 0.1, "place-429": 0.1, "callback-lost": 0.3}
FINAL = {"completed", "failed", "cancelled"}


def take_copy(url: str, target: Path, postgres: PostgresServer | None) -> None:
    if postgres is None:
        back_up_file(async_database_url(url), target)
    else:
        run_tool(postgres, shlex.split(pg_dump_line(async_database_url(url), target)))


def run_tool(postgres: PostgresServer, line: list[str]) -> None:
    """Run one of PostgreSQL's own programs, of the server's release."""
    program = postgres.server.bin_path / line[0]
    subprocess.run([program, *line[1:]], check=True, env={"PATH": os.environ["PATH"]})


@contextmanager
def restored(target: Path, postgres: PostgresServer | None) -> Iterator[str]:
    """Yield the address of a database that was made of the copy."""
    if postgres is None:
        yield f"sqlite:///{target}"
        return
    with postgres.empty_url() as url:
        run_tool(postgres, ["pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", str(target)])
        yield url


async def place(presshook: Presshook, number: int) -> None:
    """Be a client, whose every order has a key."""
    order = {"site": {"name": f"Storm {number:02}", "variant": "vanilla"}}
    headers = {"Idempotency-Key": f"storm {number}", "Prefer": "wait=0"}
    answer = await presshook.client.post("/v1/orders", json=order, headers=headers)
    assert answer.status_code in {201, 202, 422}, answer.text


async def statuses(presshook: Presshook) -> set[str]:
    shown = (await presshook.client.get("/v1/orders?limit=100")).json()["data"]
    return {order["status"] for order in shown}


async def resolve(presshook: Presshook, sandbox: Sandbox, order: dict[str, Any]) -> None:
    """Be the operator, who looks an order up in CloudPress by its site's name, which is no other's."""
    made = await sandbox.orders(order["request"]["name"])
    body = {"action": "adopt", "cloudpress_order_id": made[0]["id"]} if made else {"action": "place_again"}
    answer = await presshook.client.post(f"/v1/orders/{order['id']}/resolve", json=body)
    assert answer.status_code in {200, 202, 409}, answer.text


async def until_all_are_final(presshook: Presshook, sandbox: Sandbox) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        shown = (await presshook.client.get("/v1/orders?limit=100")).json()["data"]
        for order in shown:
            if order["status"] == "unconfirmed" and order["attention"]:
                await resolve(presshook, sandbox, order)
        return list(shown)

    def are_final(seen: list[dict[str, Any]]) -> bool:
        return {order["status"] for order in seen} <= FINAL

    return await eventually(look, are_final, look_seconds=0.2, patience_seconds=60)


async def test_what_a_copy_of_the_storm_brings_back_is_bought_once(
    database_url: str, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    is_sqlite = database_url.startswith("sqlite")
    postgres = None if is_sqlite else request.getfixturevalue("postgres_server")
    target = tmp_path / "copy"
    quick: dict[str, Any] = {"placement_grace_seconds": 1, "callback_wait_seconds": 0.2}
    await sandbox.post("/faults", rates=FAULTS)
    async with run_presshook(database_url, sandbox.url, **quick) as original:
        placing = asyncio.gather(*(place(original, number) for number in range(ORDERS)))

        async def count_made() -> int:
            return len(await sandbox.orders())

        await eventually(count_made, lambda made: made >= ORDERS // 4)
        await asyncio.to_thread(take_copy, database_url, target, postgres)
        await placing
        # The original works on after the copy, which knows nothing of it.
        await eventually(partial(statuses, original), lambda seen: not seen & {"pending", "placing"})
    await sandbox.client.delete("/sandbox/faults")
    with restored(target, postgres) as url:
        async with run_presshook(url, sandbox.url, reconcile=False, **quick) as presshook:
            await remember_restoration(presshook.service.db, since=None)
            await skip_event_numbers(presshook.service.db)
            await doubt_unplaced_orders(presshook.service.db)
        async with run_presshook(url, sandbox.url, **quick) as presshook:
            # Clients repeat what they know nothing of, also what the copy has never heard of.
            await asyncio.gather(*(place(presshook, number) for number in range(ORDERS)))
            orders = await until_all_are_final(presshook, sandbox)
    assert len(orders) == ORDERS
    bought = Counter(order["site_name"] for order in await sandbox.orders())
    assert [name for name, times in bought.items() if times > 1] == []
    assert bought.keys() >= {order["request"]["name"] for order in orders if order["status"] == "completed"}


def test_a_copy_is_whole_alone_and_replaces_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "presshook.db", tmp_path / "copy.db"
    url = async_database_url(f"sqlite:///{source}")
    with pytest.raises(BackupError, match="there is no file"):
        back_up_file(url, target)
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE kept (value TEXT)")
        connection.execute("INSERT INTO kept VALUES ('committed')")
        connection.commit()
        connection.execute("INSERT INTO kept VALUES ('on its way')")
        back_up_file(url, target)
        with pytest.raises(BackupError, match="File exists"):
            back_up_file(url, target)
        with pytest.raises(BackupError, match="No such file or directory"):
            back_up_file(url, tmp_path / "nowhere" / "copy.db")
        with pytest.raises(BackupError, match="File exists"):
            back_up_file(url, Path("/"))  # a folder that has no name
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT value FROM kept").fetchall() == [("committed",)]
    assert {path.name for path in tmp_path.iterdir()} == {"presshook.db", "copy.db"}


def test_what_is_no_database_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "presshook.db"
    source.write_bytes(b"nothing of a database" * 100)
    with pytest.raises(BackupError, match="cannot be copied"):
        back_up_file(async_database_url(f"sqlite:///{source}"), tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == [source]


def test_the_line_for_postgresql_names_the_database_and_tells_no_password() -> None:
    url = "postgresql://a%20user:s3cr3t@one:5432,two:5433/presshook?sslmode=require&sslpassword=s3cr3t-too"
    line = pg_dump_line(async_database_url(url), Path("/backups/it's here"))
    assert "s3cr3t" not in line
    parts = shlex.split(line)
    assert parts[:4] == ["pg_dump", "--format=custom", "--no-owner", "--file=/backups/it's here"]
    for part in ("host=one,two", "port=5432,5433", "dbname=presshook", "user='a user'", "sslmode=require"):
        assert part in parts[4]


def test_the_command_copies_or_prints_the_line(tmp_path: Path) -> None:
    def backup(url: str) -> tuple[int, str]:
        target = str(tmp_path / "copy")
        told = CliRunner().invoke(command_line(["backup"]), ["backup", target], env={"DATABASE_URL": url})
        return told.exit_code, told.stdout

    assert backup("postgresql://user:s3cr3t@host/db") == (
        0,
        (
            f"pg_dump --format=custom --no-owner --file={tmp_path / 'copy'} "
            "'--dbname=user=user host=host dbname=db'\n"
        ),
    )
    sqlite3.connect(tmp_path / "presshook.db").close()
    assert backup(f"sqlite:///{tmp_path / 'presshook.db'}")[0] == 0
    assert backup(f"sqlite:///{tmp_path / 'presshook.db'}")[0] == 1, "it is there already"


@pytest.mark.parametrize("reason", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_backup_goes_to_a_file_system_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    """A stick (FAT, exFAT) or a share (SMB): where backups go, and all of it but `link` is allowed there."""

    def refuse(_source: object, _target: object, **_options: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "link", refuse)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE kept (id INTEGER)")
    url, target = async_database_url(f"sqlite:///{tmp_path}/a.db"), tmp_path / "copy.db"
    assert back_up_file(url, target) == target.stat().st_size
    before = target.read_bytes()
    with pytest.raises(BackupError):
        back_up_file(url, target)
    assert target.read_bytes() == before, "nothing is replaced"
    assert {path.name for path in tmp_path.iterdir()} == {"a.db", "copy.db"}


@pytest.mark.parametrize("is_taken", [True, False], ids=["somebody was faster", "the name cannot be had"])
def test_without_hard_links_nothing_is_replaced_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_taken: bool
) -> None:
    target = tmp_path / "copy.db"

    def refuse(*_arguments: object) -> None:
        if is_taken:
            target.write_text("somebody's")
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    if not is_taken:
        monkeypatch.setattr(Path, "replace", refuse)
    sqlite3.connect(tmp_path / "a.db").close()
    with pytest.raises(BackupError, match="the copy cannot be written: File exists" if is_taken else None):
        back_up_file(async_database_url(f"sqlite:///{tmp_path}/a.db"), target)
    assert {path.name for path in tmp_path.iterdir()} == ({"a.db", "copy.db"} if is_taken else {"a.db"})
    assert not is_taken or target.read_text() == "somebody's"


def test_a_backup_goes_to_a_file_system_that_flushes_no_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def flush(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", flush)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE kept (id INTEGER)")
    assert back_up_file(async_database_url(f"sqlite:///{tmp_path}/a.db"), tmp_path / "copy.db")


def test_a_backup_that_is_broken_off_without_hard_links_leaves_no_empty_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look like a backup, and the next one would be refused for it."""

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def break_off(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "replace", break_off)
    sqlite3.connect(tmp_path / "a.db").close()
    with pytest.raises(KeyboardInterrupt):
        back_up_file(async_database_url(f"sqlite:///{tmp_path}/a.db"), tmp_path / "copy.db")
    assert {path.name for path in tmp_path.iterdir()} == {"a.db"}
