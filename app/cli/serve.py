"""`serve`, `worker` and `migrate`: the service itself."""

import asyncio
import socket
from contextlib import AbstractContextManager, AsyncExitStack
from typing import Annotated

import structlog
import typer
from sqlalchemy.exc import SQLAlchemyError

from app.cli.printing import say_if_possible
from app.config.loading import SettingsError, load_settings, misspelt_settings, pass_on_otel_settings
from app.config.settings import Settings
from app.db.database import Database
from app.db.engine import why_unwritable
from app.db.errors import DATABASE_AWAY, in_words, is_unfit, secrets_of
from app.main import Service, create_worker_app
from app.maintenance.fitness import require_readable
from app.maintenance.schema import MigrationError, is_current, is_current_file, upgrade
from app.secrets import Encryption, UndecryptableError
from app.server.embedded import serving
from app.server.listening import listen_on
from app.server.process import ENDING_SIGNALS, raise_file_limit, run_server
from app.telemetry import tracing
from app.telemetry.logs import configure_logging
from app.version import VERSION

log = structlog.get_logger()


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    *,
    reconciler: Annotated[bool, typer.Option(help="Run the reconciler in this process as well.")] = True,
) -> None:
    """Run the API and the reconciler in one process."""
    configure_logging()
    settings = load_settings()
    listeners = listen_on(host, port)
    prepare(settings)
    raise_file_limit()
    role = "serve" if reconciler else "api"
    with _traced(role):
        is_well = run_server(Service(settings, role=role), listeners, reconcile=reconciler)
    if not is_well:
        raise typer.Exit(1)


def worker() -> None:
    """Run the reconciler alone."""
    configure_logging()
    settings = load_settings()
    port = settings.worker_port
    listeners = [] if port is None else listen_on("::", port, setting="WORKER_PORT")
    prepare(settings)
    with _traced("worker"):
        is_well = asyncio.run(_work(Service(settings, role="worker"), listeners))
    if not is_well:
        raise typer.Exit(1)


def _traced(role: str) -> AbstractContextManager[None]:
    """Return a block that is traced, if the environment or the `.env` file asks for it."""
    pass_on_otel_settings()
    return tracing.traced(role)


async def _work(service: Service, listeners: list[socket.socket]) -> bool:
    dead = asyncio.Event()

    def died() -> None:
        dead.set()
        service.signals.stop()

    loop = asyncio.get_running_loop()
    for number in ENDING_SIGNALS:
        loop.add_signal_handler(number, service.signals.stop)
    async with AsyncExitStack() as running:
        await running.enter_async_context(service.run(reconcile=True, on_death=died))
        for listener in listeners:
            await running.enter_async_context(serving(create_worker_app(service), listener))
        await service.signals.stopping.wait()
    return not dead.is_set()


def migrate() -> None:
    """Bring the database to the newest schema; safe to run from many replicas at once."""
    configure_logging()
    settings = load_settings()
    if _upgrade(settings):
        say_if_possible("The database is up to date.")
    else:
        say_if_possible("A newer release has migrated the database: there is nothing to do.")


def prepare(settings: Settings) -> None:
    """See to it that the service can work on its database; on SQLite migrate: there is nobody else who would.

    A database that cannot be reached is waited for, and looked at when it is there.

    Raises:
        SettingsError: the database must not be used, or was written under another SECRET_KEY.
    """
    for name, meant in misspelt_settings().items():
        log.warning("setting_unknown", name=name, meant=meant)
    if settings.is_sqlite and not is_current_file(settings.database):
        _upgrade(settings)
    asyncio.run(_look_at_database(settings))
    log.info("starting", version=VERSION, database=settings.database.get_backend_name())


async def _look_at_database(settings: Settings) -> None:
    db = Database(settings.database, Encryption(settings.secret_keys))
    try:
        if await is_current(db):
            await require_readable(db)
    except UndecryptableError as error:
        raise SettingsError(f"SECRET_KEY: {error}; add the key that it was stored under") from None
    except DATABASE_AWAY as error:
        if is_unfit(error):
            raise SettingsError(f"DATABASE_URL: {in_words(error)}") from None
    finally:
        await db.dispose()


def _upgrade(settings: Settings) -> bool:
    """Migrate; return False if a newer release has done so already."""
    try:
        return upgrade(settings.database)
    except MigrationError as error:
        raise SettingsError(f"DATABASE_URL: the database cannot be migrated: {error}") from None
    except (SQLAlchemyError, OSError) as error:
        reason = in_words(error, secrets_of(settings.database))
        why = why_unwritable(settings.database)
        told = f"{reason}: {why}" if why else reason
        raise SettingsError(f"DATABASE_URL: the database cannot be migrated: {told}") from None
