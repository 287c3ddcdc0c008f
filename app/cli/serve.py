"""`serve`, `worker` and `migrate`: the service itself."""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Annotated

import structlog
import typer
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from app.cli.protocol import TimedHeads
from app.config import Settings, SettingsError, load_settings
from app.logs import configure_logging
from app.main import Service, create_app
from app.schema import MigrationError, is_current_file, upgrade

SHUTDOWN_SECONDS = 6
STUCK_SECONDS = 1.0
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


class Server(uvicorn.Server):
    """A server that tells who waits to answer as soon as it is asked to end."""

    def __init__(self, config: uvicorn.Config, *, on_exit: Callable[[], None]) -> None:
        """Serve by `config`; `on_exit` is called with the first signal."""
        super().__init__(config)
        self._on_exit = on_exit

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that end a process; a clean end is no death by signal, so none is raised again."""
        before = {number: signal.signal(number, self.handle_exit) for number in ENDING_SIGNALS}
        try:
            yield
        finally:
            for number, taken_by in before.items():
                signal.signal(number, taken_by)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end: open requests that wait are answered with what is known."""
        self._on_exit()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and wait for no client that does not read what it was sent."""
        cutting = asyncio.create_task(self._cut_off_stuck())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _cut_off_stuck(self) -> None:
        """Cut connections off of whose answers the client takes nothing for `STUCK_SECONDS`."""
        before: dict[asyncio.Transport, int] = {}
        while True:
            transports = [connection.transport for connection in self.server_state.connections]
            unread = {each: size for each in transports if (size := each.get_write_buffer_size())}
            for transport, size in unread.items():
                if before.get(transport) == size:
                    log.warning("stuck_connection_cut_off", unread_bytes=size)
                    transport.abort()
            before = unread
            await asyncio.sleep(STUCK_SECONDS)


def raise_file_limit() -> None:
    """Allow as many open files as the system does: every open stream is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_server(service: Service, *, host: str, port: int, reconcile: bool) -> bool:
    """Serve until a signal comes; return False if the reconciler died, which ends the server too."""
    alive = True

    def died() -> None:
        nonlocal alive
        alive = False
        server.should_exit = True

    app = create_app(service, reconcile=reconcile, on_death=died)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=TimedHeads,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        # Nobody is trusted to say for whom he asks, unless the operator says who.
        proxy_headers=service.settings.forwarded_allow_ips is not None,
        forwarded_allow_ips=service.settings.forwarded_allow_ips or "",
    )
    server = Server(config, on_exit=service.signals.stop)
    server.run()
    return alive and server.started


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    *,
    reconciler: Annotated[bool, typer.Option(help="Run the reconciler in this process as well.")] = True,
) -> None:
    """Run the API and the reconciler in one process."""
    settings = _prepare()
    raise_file_limit()
    if not run_server(Service(settings), host=host, port=port, reconcile=reconciler):
        raise typer.Exit(1)


def worker() -> None:
    """Run the reconciler alone."""
    settings = _prepare()
    if not asyncio.run(_work(Service(settings))):
        raise typer.Exit(1)


async def _work(service: Service) -> bool:
    dead = asyncio.Event()

    def died() -> None:
        dead.set()
        service.signals.stop()

    loop = asyncio.get_running_loop()
    for number in ENDING_SIGNALS:
        loop.add_signal_handler(number, service.signals.stop)
    async with service.run(reconcile=True, on_death=died):
        await service.signals.stopping.wait()
    return not dead.is_set()


def migrate() -> None:
    """Bring the database to the newest schema; safe to run from many replicas at once."""
    configure_logging()
    settings = load_settings()
    if _upgrade(settings):
        typer.echo("The database is up to date.")
    else:
        typer.echo("A newer release has migrated the database: there is nothing to do.")


def _prepare() -> Settings:
    """Read the settings, and on SQLite migrate: there is nobody else who would."""
    configure_logging()
    settings = load_settings()
    if settings.database.get_backend_name() == "sqlite" and not is_current_file(settings.database):
        _upgrade(settings)
    return settings


def _upgrade(settings: Settings) -> bool:
    """Migrate; return False if a newer release has done so already."""
    try:
        return upgrade(settings.database)
    except MigrationError as error:
        raise SettingsError(f"DATABASE_URL: the database cannot be migrated: {error}") from None
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
        raise SettingsError(f"DATABASE_URL: the database cannot be migrated: {reason}") from None
