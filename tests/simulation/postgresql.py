"""Connections to PostgreSQL that end as a killed process's do: cut, whatever its code still tries."""

import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection
from psycopg.pq import ConnStatus

from tests.simulation.sqlite import CrashedError

Connection = AsyncConnection[Any]


@dataclass
class PostgresConnections:
    """Every connection of one life, and whether its process has crashed."""

    _made: list[tuple[Connection, Callable[[], bool]]] = field(default_factory=list)

    def creator(self, is_crashed: Callable[[], bool]) -> Callable[..., Awaitable[Connection]]:
        """Return what the engine of one process makes connections with."""

        async def connect(*arguments: Any, **options: Any) -> Connection:
            connection = await AsyncConnection.connect(*arguments, **options)
            self._made.append((connection, is_crashed))
            if is_crashed():
                self.cut()
                raise CrashedError("crashed")
            return connection

        return connect

    def cut(self) -> None:
        """Cut the connections of crashed processes, so that the server ends their transactions.

        They are closed later: a descriptor's number that is used again while a cancelled coroutine still
        knows it would confuse the event loop.
        """
        for connection, is_crashed in self._made:
            if is_crashed() and connection.pgconn.status != ConnStatus.BAD:
                with socket.socket(fileno=os.dup(connection.pgconn.socket)) as wire:
                    wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close every connection."""
        for connection, _ in self._made:
            connection.pgconn.finish()
