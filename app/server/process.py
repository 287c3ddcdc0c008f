"""The service as a process: its server, its signals, its end."""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import structlog
import uvicorn

from app.main import Service, create_app
from app.server.protocol import TimedHeads

log = structlog.get_logger()
SHUTDOWN_SECONDS = 6
STUCK_SECONDS = 1.0
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
