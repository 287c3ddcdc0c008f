"""SQLite's file: its owner's alone with its journals, and the one that is there now."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from app.db.database import Database
from app.db.engine import why_unwritable
from app.db.url import async_database_url
from app.maintenance.schema import upgrade
from app.secrets import Encryption
from tests.databases import SqliteFiles
from tests.e2e.conftest import environment
from tests.harness import run_presshook
from tests.programs import run
from tests.settings import SECRET_KEY


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    former = os.umask(request.param)
    yield
    os.umask(former)


async def modes_while_writing(path: Path) -> dict[str, int]:
    """Return who may do what with each file of a database that is just being written."""
    url = async_database_url(f"sqlite:///{path}")
    upgrade(url)
    db = Database(url, Encryption([SECRET_KEY]))
    try:
        async with db.write() as tx:
            await tx.session.execute(text("CREATE TABLE proof (x)"))
            found = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.glob("*")}
    finally:
        await db.dispose()
    return found


@pytest.mark.usefixtures("_umask")
async def test_nobody_but_the_owner_reads_the_file_or_its_journals(tmp_path: Path) -> None:
    modes = await modes_while_writing(tmp_path / "presshook.db")
    assert {"presshook.db", "presshook.db-wal", "presshook.db-shm"} <= modes.keys()
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o600), (0o666, 0o660), (0o660, 0o660), (0o755, 0o600)]
)
async def test_a_file_that_others_could_read_is_closed_to_them(
    tmp_path: Path, before: int, after: int
) -> None:
    path = tmp_path / "presshook.db"
    path.touch()
    path.chmod(before)
    assert set((await modes_while_writing(path)).values()) == {after}


async def open_in_vain(path: Path, how: str) -> None:
    """Take a file or a folder that is none for a database, as what migrates does or as what reads."""
    url = async_database_url(f"sqlite:///{path}")
    if how == "migrate":
        with pytest.raises(DatabaseError):
            upgrade(url)
        return
    db = Database(url, Encryption([SECRET_KEY]))
    try:
        with pytest.raises(DatabaseError):
            async with db.read() as session:
                await session.execute(text("SELECT name FROM sqlite_master"))
    finally:
        await db.dispose()


@pytest.mark.parametrize("how", ["migrate", "read"])
@pytest.mark.parametrize("mode", [0o644, 0o755])
async def test_a_file_that_is_no_database_stays_as_it_is(tmp_path: Path, how: str, mode: int) -> None:
    """`DATABASE_URL=sqlite:////etc/passwd`, as root, took every user's name from all other users."""
    path = tmp_path / "passwd"
    path.write_text("root:x:0:0:root:/root:/bin/bash\n" * 40)
    path.chmod(mode)
    await open_in_vain(path, how)
    assert oct(stat.S_IMODE(path.stat().st_mode)) == oct(mode)


@pytest.mark.parametrize("how", ["migrate", "read"])
@pytest.mark.parametrize("mode", [0o755, 0o1777])
async def test_a_folder_stays_as_it_is(tmp_path: Path, how: str, mode: int) -> None:
    """`DATABASE_URL=sqlite:////data`, a folder's name alone, locked everybody out of the folder."""
    path = tmp_path / "data"
    path.mkdir()
    path.chmod(mode)
    await open_in_vain(path, how)
    assert oct(stat.S_IMODE(path.stat().st_mode)) == oct(mode)


@pytest.mark.parametrize("line", ["migrate", "keys list", "after-restore", "prune", "doctor --offline"])
def test_a_folder_is_refused_by_the_settings_name(tmp_path: Path, line: str) -> None:
    """One line that names the setting, and nothing of a driver's that has met the end of its event loop."""
    env = environment(f"sqlite:///{tmp_path}", RETENTION_DAYS="1")
    ended = run(*line.split(), env=env, cwd=tmp_path)
    told = "presshook: DATABASE_URL: must name a file (sqlite:///path), and this is a folder\n"
    assert (ended.returncode, ended.stderr) == (2, told)


@pytest.mark.parametrize(
    "line",
    ["keys list", "keys create shop", "after-restore", "prune", "prune --dry-run", "rekey", "backup copy.db",
     "doctor --offline", "orders erase 01a2241d-5b7b-7332-b183-4d795dae9542"],
)  # fmt: skip
def test_only_what_migrates_makes_a_database(tmp_path: Path, line: str) -> None:
    """A command run in the wrong folder left an empty file there, and said that "the database is behind"."""
    path = tmp_path / "presshook.db"
    env = environment("sqlite:///presshook.db", RETENTION_DAYS="1")
    ended = run(*line.split(), env=env, cwd=tmp_path)
    assert ended.returncode != 0
    if not line.startswith(("orders", "backup")):
        assert f"there is no database at {path}" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


async def test_who_only_reads_makes_no_database(tmp_path: Path) -> None:
    """Nor does anything else that opens one."""
    await open_in_vain(tmp_path / "presshook.db", "read")
    assert list(tmp_path.iterdir()) == []


async def test_what_was_deleted_is_written_to_no_more(sqlite_files: SqliteFiles) -> None:
    """A file that is gone could be written to for as long as it is open: all of that would be lost."""
    with sqlite_files.migrated_url() as url:
        path = Path(url.removeprefix("sqlite:///"))
        kept = path.with_name("kept.db")
        async with run_presshook(url, "http://127.0.0.1:9", reconcile=False) as presshook:
            assert (await presshook.order("Before", wait=0)).status_code == 202
            path.rename(kept)
            for answer in (
                await presshook.order("To nowhere", wait=0),
                await presshook.client.get("/readyz"),
                await presshook.client.get("/v1/orders"),
            ):
                assert answer.status_code == 503
            assert not path.exists(), "and no empty one is made in its place"
            kept.rename(path)
            assert (await presshook.order("After", wait=0)).status_code == 202
            listed = (await presshook.client.get("/v1/orders")).json()["data"]
            assert [order["request"]["name"] for order in listed] == ["After", "Before"]


async def test_a_file_that_was_replaced_is_the_database(sqlite_files: SqliteFiles) -> None:
    with sqlite_files.migrated_url() as url, sqlite_files.migrated_url() as other:
        async with run_presshook(url, "http://127.0.0.1:9", reconcile=False) as presshook:
            assert (await presshook.order("In the one", wait=0)).status_code == 202
            Path(other.removeprefix("sqlite:///")).replace(url.removeprefix("sqlite:///"))
            for suffix in ("-wal", "-shm"):
                Path(url.removeprefix("sqlite:///") + suffix).unlink(missing_ok=True)
            assert (await presshook.client.get("/v1/orders")).json()["data"] == []
            assert (await presshook.order("In the other", wait=0)).status_code == 202
            assert (await presshook.client.get("/readyz")).status_code == 200
            listed = (await presshook.client.get("/v1/orders")).json()["data"]
            assert [order["request"]["name"] for order in listed] == ["In the other"]
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            assert connection.execute("SELECT site_name FROM orders").fetchall() == [("In the other",)]


def test_why_nothing_can_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = async_database_url(f"sqlite:///{tmp_path}/presshook.db")
    assert why_unwritable(url) is None
    missing = async_database_url(f"sqlite:///{tmp_path}/none/presshook.db")
    assert why_unwritable(missing) == f"there is no folder {tmp_path}/none"
    # Tests may run as root, whom no rights keep out.
    monkeypatch.setattr(os, "access", lambda path, _mode: path != tmp_path)
    assert (why_unwritable(url) or "").endswith(f"may not write to the folder {tmp_path}")
    monkeypatch.setattr(os, "access", lambda path, _mode: path == tmp_path)
    (tmp_path / "presshook.db").touch()
    assert (why_unwritable(url) or "").endswith(f"may not write to {tmp_path}/presshook.db")
    assert why_unwritable(async_database_url("postgresql://u@h/d")) is None
