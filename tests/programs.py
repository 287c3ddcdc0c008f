"""The program's commands as processes of their own, without what each costs to load (see `forkserver`).

A test about the installation, or about how an interpreter starts, runs `PRESSHOOK` itself.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from tests.forkserver import NUMBER

PRESSHOOK = Path(sys.executable).with_name("presshook")
"""The installed program."""


class Program:
    """A command that runs; as `subprocess.Popen`, as far as it is used."""

    def __init__(self, told: int) -> None:
        """Take over the pipe that tells of it."""
        self._told = told
        self.returncode: int | None = None
        """Its status, negative for a signal, once it is known to have ended."""
        self.pid = self._next_number()
        """Its process id."""

    def _next_number(self) -> int:
        found = b""
        while len(found) < NUMBER.size:
            piece = os.read(self._told, NUMBER.size - len(found))
            if not piece:
                raise RuntimeError("the fork server is gone")
            found += piece
        number: int = NUMBER.unpack(found)[0]
        return number

    def poll(self) -> int | None:
        """Return its status, None while it runs."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its status.

        Raises:
            subprocess.TimeoutExpired: it has not ended within so many seconds.
        """
        if self.returncode is None and not select.select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("presshook", timeout or 0)
        return self._end()

    def _end(self) -> int:
        if self.returncode is None:
            self.returncode = self._next_number()
            os.close(self._told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it hard, unless it has ended."""
        self.send_signal(signal.SIGKILL)


class _ForkServer:
    """The fork server, of one process."""

    def __init__(self) -> None:
        self._asking, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("forkserver.py")), str(theirs.fileno())],
                env={"PATH": os.environ["PATH"]},
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._asking.close()
        self._process.wait()

    def start(self, request: Mapping[str, Any], streams: list[int]) -> Program:
        """Have it start a command."""
        told, theirs = os.pipe()
        try:
            with self._lock:
                line = json.dumps(request).encode() + b"\n"
                sent = socket.send_fds(self._asking, [line], [*streams, theirs])
                self._asking.sendall(line[sent:])
        finally:
            os.close(theirs)
        return Program(told)


_fork_server = cache(_ForkServer)


def start(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | IO[Any] = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
) -> Program:
    """Start a command, by default in this process's environment and folder; `stderr` may be `STDOUT`."""
    with Path(os.devnull).open("rb") as nothing:
        out = 1 if stdout is None else stdout
        err = 2 if stderr is None else out if stderr == subprocess.STDOUT else stderr
        streams = [nothing if stdin == subprocess.DEVNULL else stdin, out, err]
        request = {
            "arguments": [str(PRESSHOOK), *arguments],
            "env": dict(os.environ if env is None else env),
            "cwd": str(cwd or Path.cwd()),
        }
        return _fork_server().start(request, [it if isinstance(it, int) else it.fileno() for it in streams])


def run(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    typed: str = "",
    check: bool = False,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with something typed into it; return what it printed.

    Raises:
        subprocess.CalledProcessError: it failed, which is to be checked.
        subprocess.TimeoutExpired: it has not ended within so many seconds.
    """
    with TemporaryFile() as stdin, TemporaryFile() as out, TemporaryFile() as err:
        stdin.write(typed.encode())
        stdin.seek(0)
        program = start(*arguments, env=env, cwd=cwd, stdin=stdin, stdout=out, stderr=err)
        try:
            status = program.wait(timeout)
        finally:
            program.kill()
        out.seek(0)
        err.seek(0)
        ended = subprocess.CompletedProcess(
            [str(PRESSHOOK), *arguments], status, out.read().decode(), err.read().decode()
        )
    if check:
        ended.check_returncode()
    return ended
