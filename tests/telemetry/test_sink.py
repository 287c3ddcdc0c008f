"""What becomes of log lines: each comes out whole and in order, or is counted."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.telemetry.sink import AT_ONCE_BYTES, WAITING_LINES, Sink
from tests.harness import eventually

LINES = 2000
THREADS = 4


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Yield a pipe's end to read from and its end to write to."""
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def read_lines(descriptor: int, number: int) -> list[str]:
    """Read so many lines."""
    found = b""
    while found.count(b"\n") < number:
        found += os.read(descriptor, 1 << 16)
    return found.decode().splitlines()


def test_lines_of_many_threads_and_sinks_come_out_whole_and_in_order() -> None:
    with pipe() as (reading, writing):
        # As of two processes that share a log; some lines are longer than what is written at once.
        sinks = [Sink(writing), Sink(writing)]

        def write(number: int) -> None:
            for line in range(LINES):
                sinks[number % 2].write(f"{number} {line} {'x' * (line % 97)}\n")

        threads = [threading.Thread(target=write, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        lines = read_lines(reading, THREADS * LINES)
        for thread in threads:
            thread.join()
    for number in range(THREADS):
        own = [line for line in lines if line.startswith(f"{number} ")]
        assert own == [f"{number} {line} {'x' * (line % 97)}" for line in range(LINES)]


def test_a_line_that_is_longer_than_what_is_written_at_once_comes_out() -> None:
    with pipe() as (reading, writing):
        sink = Sink(writing)
        for letter in "abc":
            sink.write(letter * (AT_ONCE_BYTES + 1) + "\n")
        assert read_lines(reading, 3) == [letter * (AT_ONCE_BYTES + 1) for letter in "abc"]


async def test_what_nobody_reads_in_time_is_counted() -> None:
    with pipe() as (reading, writing):
        sink = Sink(writing)
        # As much as it keeps, and more than the pipe holds besides.
        written = WAITING_LINES + 3000
        for number in range(written):
            sink.write(f'{{"event": "{number:060}"}}\n')
        os.set_blocking(reading, False)
        so_far = bytearray()

        async def found() -> bytearray:
            nonlocal so_far
            try:
                so_far += os.read(reading, 1 << 20)
            except BlockingIOError:
                # The count comes before the next line that is written.
                if not sink._lines:
                    sink.write('{"event": "the last"}\n')
            return so_far

        text = await eventually(found, lambda found: found.endswith(b'"the last"}\n'))
    lines = [json.loads(line) for line in text.decode().splitlines()]
    told = [line["count"] for line in lines if line["event"] == "log_lines_dropped"]
    came = [line for line in lines if line["event"].isdigit()]
    assert told
    assert len(came) + sum(told) == written


def test_what_could_not_be_written_is_told_once_it_can() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with pipe() as (reading, writing):
        sink = Sink(full)
        for number in range(5):
            sink.write(f"{number}\n")
            sink.finish()
        os.dup2(writing, full)
        sink.write("again\n")
        assert read_lines(reading, 2) == ['{"event": "log_lines_dropped", "count": 5}', "again"]
    os.close(full)
