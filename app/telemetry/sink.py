"""Where log lines go: written by a thread of its own, so that no sink can hold up or break the service.

A disk may be full, a pipe closed, and whoever reads a pipe may read no more. What cannot be written is
dropped and counted.

The thread writes the first line at once, and then what gathers in a hundredth of a second: to be woken for
each line of a busy service would cost the one who logs more than the line does.
"""

import atexit
import os
import select
import threading
import time
from collections import deque

WAITING_LINES = 10_000
GATHERING_SECONDS = 0.01
LAST_WORDS_SECONDS = 1.0
# What is written to a pipe at once, and no more, is not mixed with what other processes write to it.
AT_ONCE_BYTES = select.PIPE_BUF


class Sink:
    """Takes lines as a file does, and never raises or blocks."""

    def __init__(self, descriptor: int) -> None:
        """Write to a descriptor, which stays open."""
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._has_come = threading.Event()
        self._is_writing = False
        # How many were dropped because too many waited, and because they could not be written; and of how
        # many of them the log tells.
        self._refused = self._unwritten = self._told = 0
        threading.Thread(target=self._write_on, name="log", daemon=True).start()
        atexit.register(self.finish)

    def write(self, text: str) -> int:
        """Take a text; it is dropped if too many wait."""
        if len(self._lines) >= WAITING_LINES:
            self._refused += 1
            return len(text)
        self._lines.append(text.encode(errors="backslashreplace"))
        # Cleared before the lines are looked at, so what comes after that look sets it.
        if not self._has_come.is_set():
            self._has_come.set()
        return len(text)

    def flush(self) -> None:
        """Do nothing: what was taken is being written."""

    def isatty(self) -> bool:
        """Tell whether a person reads along."""
        try:
            return os.isatty(self._descriptor)
        except OSError:
            return False

    def finish(self) -> None:
        """Give what was taken a moment to be written."""
        deadline = time.monotonic() + LAST_WORDS_SECONDS
        while (self._lines or self._is_writing) and time.monotonic() < deadline:
            time.sleep(0.005)

    def _write_on(self) -> None:
        while True:
            self._has_come.wait()
            self._has_come.clear()
            while self._lines:
                # Set before a line is taken: whoever finds none left finds this.
                self._is_writing = True
                self._write_next()
                self._is_writing = False
            time.sleep(GATHERING_SECONDS)

    def _write_next(self) -> None:
        """Write the next lines, as many as go at once or a single one that is longer."""
        dropped = self._refused + self._unwritten - self._told
        notice = f'{{"event": "log_lines_dropped", "count": {dropped}}}\n'.encode() if dropped else b""
        lines = [self._lines.popleft()]
        size = len(notice) + len(lines[0])
        while self._lines and (size := size + len(self._lines[0])) <= AT_ONCE_BYTES:
            lines.append(self._lines.popleft())
        all_of_it = b"".join((notice, *lines))
        rest = all_of_it
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self._unwritten += min(rest.count(b"\n"), len(lines))
        if len(all_of_it) - len(rest) >= len(notice):
            self._told += dropped
