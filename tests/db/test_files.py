"""SQLite's file and its journals are its owner's alone, whoever made them and under whichever umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db.database import Database
from app.db.url import async_database_url
from app.maintenance.schema import upgrade
from app.secrets import Encryption
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
