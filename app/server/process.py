"""The service as a process: its server, its signals, its end."""

import gc
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import structlog
from starlette.types import ASGIApp

from app.main import Service, create_app
from app.server.fair import FairServer
from app.server.listening import address

log = structlog.get_logger()
SHUTDOWN_SECONDS = 6
# So much of it for requests that proxies send on connections which they have kept.
PARTING_SECONDS = 1
# What writes many things at once does so in a thread (`app/db/whole.py`), and waits for its turn after each
# answer of the database: Python's own 5 ms would be longer than most of those take.
TURN_SECONDS = 0.0005
# What many who are served at a time keep is looked at so much more seldom: by Python's own 700 it took 4 % of
# the time of an order, by this less than 1 %.
YOUNG_OBJECTS = 10_000
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ProcessServer(FairServer):
    """A server that takes the process's signals, and tells at once who waits that it is asked to end."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        ending_seconds: int,
        on_exit: Callable[[], None],
        trusted_proxies: str | None = None,
    ) -> None:
        """Serve `app` as `FairServer` does; `on_exit` is called with the first signal."""
        super().__init__(
            app,
            ending_seconds=ending_seconds,
            parting_seconds=PARTING_SECONDS,
            trusted_proxies=trusted_proxies,
        )
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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say where."""
        await super().startup(sockets)
        exempt_what_stays()
        for listener in sockets or ():
            log.info("listening", url=address(listener))


def exempt_what_stays() -> None:
    """Have the garbage collector look no more at what is there, and more seldom at what is new.

    What is there are modules, routes, schemas, statements. They stay until the end, and looking at them again
    and again took a quarter of the time of a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def raise_file_limit() -> None:
    """Allow as many open files as the system does: every open stream is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_app(app: ASGIApp, listeners: list[socket.socket], *, ending_seconds: int) -> None:
    """Serve an application of no more than HTTP until a signal comes."""
    server = ProcessServer(app, ending_seconds=ending_seconds, on_exit=lambda: None)
    server.run(sockets=listeners)


def run_server(service: Service, listeners: list[socket.socket], *, reconcile: bool) -> bool:
    """Serve until a signal comes; return False if the reconciler died, which ends the server too."""
    alive = True

    def died() -> None:
        nonlocal alive
        alive = False
        server.should_exit = True

    server = ProcessServer(
        create_app(service, reconcile=reconcile, on_death=died),
        ending_seconds=SHUTDOWN_SECONDS,
        on_exit=service.signals.stop,
        trusted_proxies=service.settings.forwarded_allow_ips,
    )
    sys.setswitchinterval(TURN_SECONDS)
    server.run(sockets=listeners)
    return alive and server.started
