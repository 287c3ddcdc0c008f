"""Where log lines go: written by a thread of its own, so that no sink can hold up or break the service.

A disk may be full, a pipe closed, and whoever reads a pipe may read no more. What cannot be written is
dropped and counted.
"""

import atexit
import os
import queue
import threading
import time

WAITING_LINES = 10_000
LAST_WORDS_SECONDS = 1.0


class Sink:
    """Takes lines as a file does, and never raises or blocks."""

    def __init__(self, descriptor: int) -> None:
        """Write to a descriptor, which stays open."""
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes] = queue.Queue(WAITING_LINES)
        self._dropped = 0
        threading.Thread(target=self._write_on, name="log", daemon=True).start()
        atexit.register(self.finish)

    def write(self, text: str) -> int:
        """Take a text; it is dropped if too many wait."""
        try:
            self._lines.put_nowait(text.encode(errors="backslashreplace"))
        except queue.Full:
            self._dropped += 1
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
        while self._lines.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.005)

    def _write_on(self) -> None:
        while True:
            line = self._lines.get()
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                line = f'{{"event": "log_lines_dropped", "count": {dropped}}}\n'.encode() + line
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                self._dropped += 1
            self._lines.task_done()
