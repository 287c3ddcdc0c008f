"""The installed program under `kill -9`: nothing is lost, nothing is bought twice, everything ends."""

import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.databases import PostgresServer, in_memory
from tests.e2e.killing import SECONDS_BETWEEN_ORDERS, Fleet, Outcome, live_under_the_axe

# The long run is `PRESSHOOK_KILL_ORDERS=300 make test ARGS="tests/e2e/test_kill.py -n0 -s"`.
ORDERS = int(os.environ.get("PRESSHOOK_KILL_ORDERS", "15"))
SEED = int(os.environ.get("PRESSHOOK_KILL_SEED", "1"))


def check(outcome: Outcome) -> None:
    print(f"seed {SEED}: {ORDERS} orders, {outcome.kills} kills, {dict(outcome.statuses)}")
    assert outcome.kills >= ORDERS * SECONDS_BETWEEN_ORDERS / 10
    assert outcome.statuses.total() == ORDERS
    assert set(outcome.bought.values()) <= {1}, f"bought twice: {outcome.bought.most_common(3)}"
    assert outcome.statuses["completed"] <= len(outcome.bought)
    print(f"{outcome.events} events, {outcome.told} told, by {outcome.messages} messages")
    assert outcome.events >= ORDERS
    assert outcome.told == outcome.events


async def test_nothing_is_lost_or_bought_twice_under_kill_9(
    database_url: str, tmp_path: Path, api_headers: dict[str, str]
) -> None:
    check(await live_under_the_axe(database_url, tmp_path, api_headers, orders=ORDERS, seed=SEED))


async def test_nor_by_three_replicas_of_which_one_is_lost_and_whose_database_stops_hard(
    tmp_path: Path, api_headers: dict[str, str]
) -> None:
    share = ORDERS * SECONDS_BETWEEN_ORDERS / 4
    stops = 0

    async def harm(fleet: Fleet) -> None:
        nonlocal stops
        await asyncio.sleep(share)
        lost = fleet.urls.pop()
        fleet.kill(lost)
        for _ in range(2):
            await asyncio.sleep(share)
            await asyncio.to_thread(server.stop_hard)
            stops += 1
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start_again)

    with TemporaryDirectory(prefix="presshook-postgresql-", dir=in_memory()) as folder:
        server = PostgresServer(Path(folder))
        try:
            with server.migrated_url() as database_url:
                outcome = await live_under_the_axe(
                    database_url,
                    tmp_path,
                    api_headers,
                    orders=ORDERS,
                    seed=SEED,
                    replicas=3,
                    meanwhile=harm,
                )
        finally:
            server.stop()
    check(outcome)
    assert stops == 2
