"""All connections of one server: how many there may be, for how long one waits, and who takes nothing.

Nothing here costs anything while a connection is quiet: those that wait for the same span are kept in the
order in which it ends, and one look a second takes off the front whose time is up.
"""

import asyncio
import math
import resource
from typing import Protocol

import structlog

HEAD_SECONDS = 30.0
# Longer than the 60 s for which most load balancers keep connections: who closes first must not be we, or a
# request that is on its way is lost, and the balancer answers 502.
KEEP_ALIVE_SECONDS = 75.0
LINGER_SECONDS = 5.0
# A client that takes nothing of its answer for so long gets no more of it.
STUCK_SECONDS = 30.0
STUCK_WHILE_ENDING_SECONDS = 1.0
LOOK_SECONDS = 1.0
TELL_SECONDS = 60.0
# Beside the connections of clients: the database, CloudPress, webhooks, files.
KEPT_DESCRIPTORS = 128
MOST_CONNECTIONS = 20_000

log = structlog.get_logger()


class Connection(Protocol):
    """What is asked of a connection."""

    @property
    def transport(self) -> asyncio.Transport: ...

    @property
    def written_bytes(self) -> int: ...


class Waiting:
    """Connections that wait for the same span, in the order in which it ends."""

    def __init__(self) -> None:
        """Begin with none."""
        self._until: dict[Connection, float] = {}

    def begin(self, connection: Connection, until: float) -> None:
        """Have one wait, unless it waits already: nothing that it does meanwhile gives it more time."""
        self._until.setdefault(connection, until)

    def end(self, connection: Connection) -> None:
        """Have one wait no more."""
        self._until.pop(connection, None)

    def over(self, now: float) -> list[Connection]:
        """Take off whose time is up."""
        ended = []
        for connection, until in self._until.items():
            if until > now:
                break
            ended.append(connection)
        for connection in ended:
            del self._until[connection]
        return ended

    def oldest(self) -> Connection | None:
        """Take off the one that has waited longest."""
        connection = next(iter(self._until), None)
        if connection is not None:
            del self._until[connection]
        return connection


class Crowd:
    """Watches over the connections of one server."""

    def __init__(self, most: int | None = None) -> None:
        """Allow `most` connections, by default as many as the limit of open files leaves room for."""
        self.most = most_connections() if most is None else most
        self.open: set[Connection] = set()
        """All that were let in."""
        self._idle, self._heads, self._lingering = Waiting(), Waiting(), Waiting()
        self._offered, self._bodies = Waiting(), Waiting()
        # Who may have something unread, how much it had taken when it was last looked at, and since when.
        self._unread: dict[Connection, tuple[int, float]] = {}
        self._told_at = -TELL_SECONDS
        self.stuck_seconds = STUCK_SECONDS
        self.is_parting = False
        """Whether the server ends, so that each connection is answered once more at most."""

    def admit(self, connection: Connection) -> bool:
        """Take one in. Where there are too many, one goes that nobody is the worse for.

        Who is held back for wrong keys goes before those that wait for a request. That gives him nothing that
        he could not have by hanging up, and else those who are let in would have to stay outside. Last comes
        who takes long to send a body: anybody can, without a key.
        """
        if len(self.open) >= self.most:
            self._tell()
            goes_first = (self._lingering, self._offered, self._idle, self._heads, self._bodies)
            oldest = next((one for waiting in goes_first if (one := waiting.oldest()) is not None), None)
            if oldest is None:
                return False
            self.open.discard(oldest)
            oldest.transport.abort()
        self.open.add(connection)
        return True

    def _tell(self) -> None:
        now = _now()
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            log.warning(
                "too_many_connections", most=self.most, detail="those held back and the idle go first"
            )

    def leave(self, connection: Connection) -> None:
        """Forget one that is closed."""
        self.open.discard(connection)
        self._unread.pop(connection, None)
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        for waiting in (self._idle, self._heads, self._lingering, self._offered, self._bodies):
            waiting.end(connection)

    def is_busy(self, connection: Connection) -> None:
        """Let one take its time: its request has come."""
        self._idle.end(connection)
        self._heads.end(connection)

    def idles(self, connection: Connection) -> None:
        """Have one wait for the next request."""
        self._idle.begin(connection, _now() + KEEP_ALIVE_SECONDS)

    def expects_head(self, connection: Connection) -> None:
        """Have one wait for the head of a request to come whole."""
        self._idle.end(connection)
        self._heads.begin(connection, _now() + HEAD_SECONDS)

    def lingers(self, connection: Connection) -> None:
        """Have one wait for its client to read the answer and close."""
        self._lingering.begin(connection, _now() + LINGER_SECONDS)

    def is_offered(self, connection: Connection) -> None:
        """Have one go where there are too many, although it is being answered."""
        self._offered.begin(connection, math.inf)

    def is_kept(self, connection: Connection) -> None:
        """Let one be answered again."""
        self._offered.end(connection)

    def expects_body(self, connection: Connection) -> None:
        """Have one wait for more of the body of its request, which has a deadline elsewhere."""
        self._bodies.begin(connection, math.inf)

    def has_body(self, connection: Connection) -> None:
        """Let one be answered: more of its body has come."""
        self._bodies.end(connection)

    def wrote(self, connection: Connection) -> None:
        """Look after one that was sent something."""
        if connection not in self._unread:
            self._unread[connection] = (-1, 0.0)

    async def watch(self) -> None:
        """Look at all, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Close and cut off whose time is up."""
        now = _now()
        for connection in self._idle.over(now):
            connection.transport.close()
        for waiting in (self._heads, self._lingering):
            for connection in waiting.over(now):
                # Not `close`, which would wait until the client has taken the answer before.
                connection.transport.abort()
        self._cut_off_stuck(now)

    def _cut_off_stuck(self, now: float) -> None:
        stuck = []
        for connection, (taken_before, since) in list(self._unread.items()):
            waiting = connection.transport.get_write_buffer_size()
            taken = connection.written_bytes - waiting
            if waiting == 0:
                del self._unread[connection]
            elif taken != taken_before:
                self._unread[connection] = (taken, now)
            elif now - since >= self.stuck_seconds:
                stuck.append(waiting)
                del self._unread[connection]
                connection.transport.abort()
        if stuck:
            log.warning("stuck_connections_cut_off", connections=len(stuck), unread_bytes=sum(stuck))


def most_connections() -> int:
    """Return how many connections the limit of open files leaves room for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(1, min(MOST_CONNECTIONS, files - min(KEPT_DESCRIPTORS, files // 2)))


def _now() -> float:
    return asyncio.get_running_loop().time()
