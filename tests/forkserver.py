"""A fork server: has the program loaded, and becomes a command in a fork of itself whenever one is asked for.

`tests.programs` starts it and asks. Loading is most of what a command costs, and only the
first has to pay it. A fork ends as any interpreter does: the program's entrance is the last thing it runs.
"""

import gc
import io
import json
import os
import socket
import struct
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

# What the commands load, but for `app.cli`, which looks at the environment and the terminal as it is loaded.
LOADED = (
    "alembic.command",
    "alembic.runtime.migration",
    "app.api",
    "app.main",
    "app.maintenance.after_restore",
    "app.maintenance.doctor",
    "app.maintenance.rekey",
    "app.maintenance.schema",
    "app.sandbox",
    "app.server.embedded",
    "app.server.process",
    "asyncio.runners",
    "fastapi.openapi.utils",
    "httpx",
    "psycopg",
    "rich.console",
    "rich.table",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "typer.main",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
REQUEST_BYTES = 1 << 20
STREAMS = 3
NUMBER = struct.Struct("i")


def fork_for_each(channel: socket.socket) -> None:
    """Fork for each request until nobody can ask any more; return in the forks, which run a command."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, REQUEST_BYTES, STREAMS + 1)
        while request and not request.endswith(b"\n"):
            request += channel.recv(REQUEST_BYTES)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not request:
            os._exit(0)
        *streams, told = descriptors
        if os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        channel.close()
        child = os.fork()
        if child:
            _watch(child, streams, told)
        os.close(told)
        become(json.loads(request), streams)
        return


def _watch(child: int, streams: list[int], told: int) -> None:
    """Tell the child's id, and its status once it has ended; then end."""
    for descriptor in (0, 1, 2, *streams):
        os.close(descriptor)
    with suppress(BrokenPipeError):
        os.write(told, NUMBER.pack(child))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(told, NUMBER.pack(status))
    os._exit(0)


def become(request: dict[str, object], streams: list[int]) -> None:
    """Be a process that was started with a command's arguments, environment, folder and streams."""
    environment, arguments, folder = request["env"], request["arguments"], request["cwd"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    assert isinstance(folder, str)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - of what is open already, and as long as it
    sys.stdout, sys.stderr = _writing(1), _writing(2)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]


def _writing(number: int) -> io.TextIOWrapper:
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    binary = open(number, "wb", 0 if at_once else -1)  # noqa: SIM115 - the same
    is_by_line = number == 2 or os.isatty(number)
    return io.TextIOWrapper(binary, encoding="utf-8", line_buffering=is_by_line, write_through=at_once)


if __name__ == "__main__":
    asking = socket.socket(fileno=int(sys.argv[1]))
    # The tree that this file is in, which a mutation may have broken, before any that is installed.
    sys.path.insert(0, str(Path(__file__).parents[1]))
    for module in LOADED:
        import_module(module)
    # A thread would be missing in the forks, and with it whatever it holds.
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()
    fork_for_each(asking)
    from presshook import main

    sys.exit(main())  # type: ignore[func-returns-value]
