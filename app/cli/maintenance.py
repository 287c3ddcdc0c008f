"""`after-restore`, `rekey`, `backup`, `prune`: work on the database itself, without CloudPress."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from app.cli.printing import complain, say
from app.config.loading import SettingsError, load_database_settings, load_settings
from app.config.settings import DatabaseSettings, Settings
from app.db.database import Database
from app.db.errors import DATABASE_AWAY, in_words, secrets_of
from app.maintenance.after_restore import (
    count_brought_back,
    doubt_unplaced_orders,
    silence_webhooks,
    skip_event_numbers,
)
from app.maintenance.backup import BackupError, back_up_file, pg_dump_line
from app.maintenance.lost_key import forget_undecryptable
from app.maintenance.rekey import rekey as write_anew
from app.maintenance.retention import Pruner, PruningElsewhereError
from app.maintenance.schema import is_current
from app.orders.restorations import FutureError, remember_restoration
from app.secrets import Encryption, NoEncryption, UndecryptableError
from app.telemetry.logs import configure_logging

T = TypeVar("T")


def after_restore(
    *,
    disable_webhooks: Annotated[
        bool, typer.Option("--disable-webhooks", help="For a copy: tell no application anything.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="When the backup was made, in UTC. Else the last moment that an order in it tells of.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run first on a restored or copied database: no order that is pending in it is bought twice."""

    try:
        backup_at = since and since.replace(tzinfo=since.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        between = "is to be a time between the years 1 and 9999 in UTC"
        raise typer.BadParameter(between, param_hint="--since") from None

    async def work(db: Database) -> tuple[int, int, datetime | None, tuple[int, int]]:
        searched_since = await remember_restoration(db, since=backup_at)
        silenced = await silence_webhooks(db) if disable_webhooks else 0
        await skip_event_numbers(db)
        doubted = await doubt_unplaced_orders(db)
        return doubted, silenced, searched_since, await count_brought_back(db)

    try:
        doubted, silenced, searched_since, (keys, webhooks) = with_database(work)
    except FutureError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
    say(f"{doubted} pending orders are unconfirmed now: each is looked for before it is placed.")
    if searched_since is not None:
        say(
            f"What CloudPress has made since {searched_since:%Y-%m-%d %H:%M:%S} UTC is looked through once "
            "the service runs, and nothing is placed before: then see `presshook orphans list`."
        )
    if disable_webhooks:
        say(f"{silenced} webhooks are disabled now.")
    if keys or webhooks:
        say(
            f"{keys} API keys and {webhooks} webhooks work as when the backup was made: what was revoked, "
            "rotated or removed since is back. Look through `presshook keys list` and the webhooks first."
        )


def rekey(
    *,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget-undecryptable",
            help="Where a key is lost: give up what it alone could decrypt. There is no way back.",
        ),
    ] = False,
) -> None:
    """Write everything encrypted anew with the first SECRET_KEY."""
    settings = load_settings()
    if forget:
        cipher = Encryption(settings.secret_keys)
        given_up = _with(settings, lambda db: forget_undecryptable(db, cipher))
        say(*(f"{count} of {name} are given up." for name, count in sorted(given_up.items())))
        if given_up.get("accounts.token"):
            say("The accounts of these tokens are removed: store them again (`presshook accounts set`).")
        if given_up.get("webhooks.secret"):
            say("The webhooks of these secrets are disabled: rotate each, tell its application, enable it.")
    count = _with(settings, write_anew)
    say(f"{count} rows are encrypted with the first SECRET_KEY now.")


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; it must not exist.")],
) -> None:
    """Copy the database while the service works; of PostgreSQL, print the line that does."""
    settings = load_database_settings()
    # Wherever the line is run.
    file = file.expanduser().absolute()
    if not settings.is_sqlite:
        complain(
            "Run this line, after `umask 077` so that nobody else can read the copy; pg_dump takes the "
            "password from PGPASSWORD or a pgpass file, or asks for it:"
        )
        say(pg_dump_line(settings.database, file))
        return
    try:
        size = back_up_file(settings.database, file)
    except BackupError as error:
        complain(f"presshook: {error}")
        raise typer.Exit(1) from None
    say(
        f"{file}: {size} bytes. Keep SECRET_KEY too, elsewhere.",
        "Run `presshook after-restore` first on whatever you restore from it.",
    )


def prune(
    *, dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and let it stay.")] = False
) -> None:
    """Prune what is older than RETENTION_DAYS now, as the service does every hour."""
    settings = load_database_settings()
    if settings.retention_days is None:
        raise SettingsError("RETENTION_DAYS: is not set, so everything is kept for ever")
    days = settings.retention_days
    if dry_run:
        forecast = _with(settings, lambda db: Pruner(db, days).forecast())
        say(
            f"{forecast.to_clear} orders would lose what is personal and bulky, and become tombstones.",
            f"{forecast.to_strip} tombstones would lose their events.",
            f"{forecast.kept} old final orders would stay: something may still become of them.",
        )
        return
    try:
        pruned = _with(settings, lambda db: Pruner(db, days).prune())
    except PruningElsewhereError:
        complain("presshook: another process prunes at the moment.")
        raise typer.Exit(1) from None
    say(
        f"{pruned.cleared} orders are tombstones now.",
        f"{pruned.stripped} tombstones lost their events.",
    )


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Do something with the database, which has to be migrated, and with nothing in it that is encrypted.

    Raises:
        SettingsError: it cannot be reached, or is behind.
    """
    return _with(load_database_settings(), work)


def _with(settings: DatabaseSettings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Do something with the database; with the keys too, if the settings have them."""
    configure_logging()
    keys = settings.secret_keys if isinstance(settings, Settings) else None

    async def run() -> T:
        db = Database(settings.database, Encryption(keys) if keys else NoEncryption())
        try:
            if not await is_current(db):
                raise SettingsError(
                    "DATABASE_URL: the database is behind this release: run `presshook migrate`"
                )
            return await work(db)
        except DATABASE_AWAY as error:
            reason = in_words(error, secrets_of(settings.database))
            raise SettingsError(f"DATABASE_URL: the database cannot be reached: {reason}") from None
        except UndecryptableError as error:
            raise SettingsError(f"SECRET_KEY: {error}; add the key that it was stored under") from None
        finally:
            await db.dispose()

    return asyncio.run(run())
