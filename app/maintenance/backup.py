"""A copy of the database while the service works: SQLite's is made here, PostgreSQL's by `pg_dump`."""

import errno
import os
import shlex
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL

from app.db.engine import BUSY_TIMEOUT_SECONDS
from app.db.errors import SECRET_OPTIONS

OWNERS_ALONE = 0o600
# What a file system without hard links says (FAT, exFAT, SMB, some of FUSE).
NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


class BackupError(Exception):
    """No copy was made; the text is one line that says why and what to do."""


def back_up_file(url: URL, target: Path) -> int:
    """Copy an SQLite database, as of one moment, to a new file that its owner alone can read.

    Blocks. Nobody who reads or writes waits for it. The file appears under its name once it is whole, checked
    and on the disk. Returns its size in bytes.

    Raises:
        BackupError: there is no database, the file exists, or it cannot be written.
    """
    source = Path(url.database or "")
    if not source.is_file():
        raise BackupError(f"DATABASE_URL: there is no file {source}: nothing to copy")
    unfinished = target.parent / f".{target.name}.{os.getpid()}.part"
    try:
        # Before anything is copied, and once more by `_named`, which replaces nothing.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, OWNERS_ALONE))
        try:
            _copy(source, unfinished)
            _flush(unfinished)
            _named(unfinished, target)
            size = target.stat().st_size
        finally:
            unfinished.unlink(missing_ok=True)
        _flush(target.parent)
    except OSError as error:
        raise BackupError(f"{target}: the copy cannot be written: {error.strerror}") from None
    except sqlite3.Error as error:
        raise BackupError(f"{target}: the database cannot be copied: {error}") from None
    return size


def _copy(source: Path, target: Path) -> None:
    """Copy all pages in one step, which sees one moment; in several it would begin anew with every write."""
    with (
        closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")
        original.backup(copy)
        # One file, with nothing beside it that could be forgotten when it is carried away.
        copy.execute("PRAGMA journal_mode=DELETE")
        [found] = copy.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise BackupError(f"the copy is not sound, so the database may not be: {found}")


def _named(unfinished: Path, target: Path) -> None:
    """Give a file its name, where there is none of that name.

    Raises:
        OSError: there is one, or it cannot be had.
    """
    try:
        os.link(unfinished, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # Whoever makes it first has the name: what is replaced is the empty file that was made here.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, OWNERS_ALONE))
        try:
            unfinished.replace(target)
        except BaseException:  # Ctrl-C too: an empty file would look like a backup
            target.unlink(missing_ok=True)
            raise


def _flush(path: Path) -> None:
    with suppress(PermissionError):  # a folder that may be written, and not read
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # what a file system says that flushes no folders
                raise
        finally:
            os.close(descriptor)


def pg_dump_line(url: URL, target: Path) -> str:
    """Return the command line that copies a PostgreSQL database, for a shell. It holds no password.

    `pg_dump` reads one snapshot, so the copy is of one moment, and nobody waits for it.
    """
    named = {"user": url.username, "host": url.host, "port": url.port, "dbname": url.database, **url.query}
    options = {
        name: str(value) for name, value in named.items() if value is not None and name not in SECRET_OPTIONS
    }
    address = make_conninfo("", **options)
    # `--no-owner`: whoever restores it may be another role.
    line = ["pg_dump", "--format=custom", "--no-owner", f"--file={target}", f"--dbname={address}"]
    return shlex.join(line)
