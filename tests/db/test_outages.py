"""What is told of a database that fails: once per cause, whoever asks it, and once that it is back."""

import asyncio
from collections import Counter
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError
from structlog.testing import capture_logs

from app.db import outages
from app.db.outages import STEADY_SECONDS, TOLD_AGAIN_SECONDS, Outages
from app.events import feed
from app.maintenance import retention
from app.maintenance.doctor import repeating
from app.queue import heartbeats, worker
from app.reconciler import orphan_search
from tests.databases import PostgresServer
from tests.harness import eventually, run_presshook, run_sandbox


def away(words: str = "connection refused") -> OperationalError:
    return OperationalError("", {}, psycopg.OperationalError(words))


def wrong(words: str = "no such column") -> ProgrammingError:
    return ProgrammingError("", {}, psycopg.ProgrammingError(words))


class Hours:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def told_of(rounds: list[tuple[float, str, Exception | None]]) -> list[tuple[str, str]]:
    """Return what is told of rounds of loops: each after so many seconds, of such a loop, ended so."""
    clock = Hours()
    noted = Outages({"s3cr3t"}, clock=clock)
    with capture_logs() as told:
        for seconds, of, error in rounds:
            clock.now += seconds
            with noted.heeding(of):
                if error is not None:
                    raise error
            if error is None:
                noted.note_success()
    assert "s3cr3t" not in str(told)
    return [(line["event"], line["log_level"]) for line in told]


AWAY, BACK = ("database_away", "error"), ("database_back", "info")
FAILED, AGAIN = ("round_failed", "error"), ("round_succeeded_again", "info")


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        pytest.param([(1, of, away()) for of in "abcabcabc"], [AWAY], id="many loops, one cause"),
        pytest.param(
            [(1, "a", away("port 5432")), (1, "a", away("port 5433"))], [AWAY], id="only the number differs"
        ),
        pytest.param(
            [(1, "a", away()), (1, "a", away("the disk is full"))], [AWAY, AWAY], id="another cause"
        ),
        pytest.param([(1, "a", away("password s3cr3t"))], [AWAY], id="a secret in its words"),
        pytest.param(
            [(1, "a", away())] * int(TOLD_AGAIN_SECONDS + 2), [AWAY, AWAY], id="told again while it goes on"
        ),
        pytest.param(
            [(1, "a", away()), (STEADY_SECONDS, "b", None), (1, "b", None)], [AWAY, BACK], id="back, once"
        ),
        pytest.param(
            [(1, "a", away()), (0.1, "b", None)] * 9, [AWAY], id="it can be read and not written: not back"
        ),
        pytest.param(
            [(1, "a", away()), (STEADY_SECONDS, "a", None), (1, "a", away())],
            [AWAY, BACK, AWAY],
            id="away once more is told once more",
        ),
        pytest.param([(1, "a", wrong())] * 9, [FAILED], id="what no waiting mends"),
        pytest.param(
            [(1, "a", wrong()), (1, "b", wrong())],
            [FAILED, FAILED],
            id="of each loop, for each may be mended",
        ),
        pytest.param(
            [(1, "a", wrong()), (STEADY_SECONDS, "b", None), (1, "a", None), (1, "a", None)],
            [FAILED, AGAIN],
            id="its own success ends it",
        ),
        pytest.param(
            [(1, "a", wrong()), (1, "a", None)] * 9, [FAILED], id="every other round fails: one line"
        ),
    ],
)
def test_a_cause_is_told_once(
    rounds: list[tuple[float, str, Exception | None]], expected: list[tuple[str, str]]
) -> None:
    assert told_of(rounds) == expected


def test_what_is_no_error_of_the_database_is_not_swallowed() -> None:
    with pytest.raises(LookupError), Outages(()).heeding("a"):
        raise LookupError


async def test_all_loops_together_tell_once_that_the_database_is_away(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Counter[str]()

    def turning_fast(module: Any, seconds: str) -> None:
        monkeypatch.setattr(module, seconds, 0.05)

    for module, seconds in (
        (worker, "DATABASE_RETRY_SECONDS"),
        (feed, "DATABASE_RETRY_SECONDS"),
        (retention, "RETRY_SECONDS"),
        (retention, "ROUND_SECONDS"),
        (heartbeats, "BEAT_SECONDS"),
        (orphan_search, "LOOK_SECONDS"),
        (repeating, "SETTLING_SECONDS"),
        (repeating, "LOOK_SECONDS"),
    ):
        turning_fast(module, seconds)
    failing = Outages.heeding

    def counting(self: Outages, of: str) -> outages.Round:
        turns[of] += 1
        return failing(self, of)

    monkeypatch.setattr(Outages, "heeding", counting)
    loops = {
        "claiming orders",
        "claiming deliveries",
        "reading events",
        "heartbeat",
        "pruning",
        "orphan search",
        "checks",
    }

    async def turned() -> set[str]:
        return {of for of, count in turns.items() if count > 3}

    with server.migrated_url() as url:
        async with (
            run_sandbox() as sandbox,
            run_presshook(url, sandbox.url, retention_days=1) as presshook,
            presshook.client.stream("GET", "/v1/events", headers={"Accept": "text/event-stream"}),
        ):
            # Most of them begin once it is known that the tables are there.
            await eventually(lambda: asyncio.sleep(0, {*turns}), lambda those: those >= loops)
            with capture_logs() as told:
                await asyncio.to_thread(server.stop_hard)
                turns.clear()
                await eventually(turned, lambda those: those >= loops)
                await asyncio.to_thread(server.start_again)
                await eventually(
                    lambda: asyncio.sleep(0, [line["event"] for line in told]),
                    lambda events: "database_back" in events,
                )
    errors = [line for line in told if line["log_level"] == "error"]
    assert {line["event"] for line in errors} == {"database_away"}
    assert max(Counter((line["sqlstate"], line["reason"]) for line in errors).values()) == 1, errors
    assert [line["event"] for line in told].count("database_back") == 1
