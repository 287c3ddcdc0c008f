"""`make bench-slow-provider`: a CloudPress that takes a second for each answer, on both databases.

- one account, twenty accounts: how long 200 orders take until all are completed, beside the least that the
  bound on an account's requests allows, and how many requests were in flight at CloudPress at most.
- beside: how long single orders of another account take, which is answered at once, alone and meanwhile.

Each order is called back as soon as CloudPress has it. The installed service runs as users run it.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import httpx
from rich.console import Console
from rich.table import Table

from app.secrets import CallbackSecrets
from tests.bench.jobs import KEY, callback_call, order_call, peer, send, send_all
from tests.bench.retention import database
from tests.e2e.conftest import answers, environment, free_url, installed, port_of
from tests.harness import eventually
from tests.settings import SECRET_KEY

ORDERS = 200
ACCOUNTS = (1, 20)
ALONE = 30
"""How many single orders of the other account are timed with nothing beside them."""
SLOW_SECONDS = 1.0
BOUND = 8
"""The default of ACCOUNT_CONCURRENCY."""
FOR_CATALOG = 1
"""The catalog is fetched beside, once in a few minutes."""
ANSWERS = 4
"""Of CloudPress for each order: to placing it, then its order, its task and its site."""
LOOK_SECONDS = 0.1
"""How often CloudPress is asked what was ordered: so much later than it could be an order is called back."""


@dataclass
class Burst:
    """Orders of slow accounts, and what was to be seen while they went on."""

    seconds: float = 0.0
    most_in_flight: dict[str, int] = field(default_factory=dict)
    """How many requests there were at CloudPress at most, by their account, and in all."""
    beside: list[float] = field(default_factory=list)
    """Seconds that each of the other account's orders took meanwhile."""

    @property
    def most_of_an_account(self) -> int:
        """How many requests of a slow account were in flight at most."""
        return max(most for name, most in self.most_in_flight.items() if name.startswith("slow"))


class Deployment:
    """A service and its CloudPress."""

    def __init__(self, client: httpx.AsyncClient, cloudpress: httpx.AsyncClient) -> None:
        """Ask both."""
        self.client = client
        self._cloudpress = cloudpress
        self._secrets = CallbackSecrets([SECRET_KEY])
        self._called_back = 0

    async def call_back(self) -> None:
        """Call back whatever order is new at CloudPress, for ever."""
        while True:
            told = (await self._cloudpress.get("/told")).json()[self._called_back :]
            self._called_back += len(told)
            await send_all([self.client], [callback_call(*each) for each in told])
            await asyncio.sleep(LOOK_SECONDS)

    async def most_in_flight(self) -> dict[str, int]:
        """Return how many requests of each account there were at most, since this was asked last."""
        most: dict[str, int] = (await self._cloudpress.get("/asked")).json()["most_in_flight"]
        return most

    async def completed_at(self, order_id: str) -> datetime | None:
        """Return when an order was completed; None while it is not."""
        order = (await self.client.get(f"/v1/orders/{order_id}")).raise_for_status().json()
        return datetime.fromisoformat(order["finalized_at"]) if order["status"] == "completed" else None

    async def single(self, name: str) -> float:
        """Order a site for the account that is answered at once; return in how many seconds it was there."""
        began = datetime.now(UTC)
        placed = (await send(self.client, order_call(name), wait=30)).json()
        order_id, [task] = placed["id"], placed["tasks"]
        authorization = self._secrets.authorization(UUID(order_id))
        # What `call_back` sends as well, soon: it is the same callback, and changes nothing then.
        await send(self.client, callback_call(f"/v1/callbacks/{order_id}", authorization, task["id"]))
        at = await eventually(partial(self.completed_at, order_id), bool, patience_seconds=120)
        assert at is not None
        return (at - began).total_seconds()

    async def burst(self, accounts: int, orders: int) -> Burst:
        """Order many sites at once for slow accounts, and single ones beside for the other."""
        await self.most_in_flight()
        began = datetime.now(UTC)
        calls = [
            order_call(f"Burst {accounts} {number}", f"slow-{number % accounts}") for number in range(orders)
        ]
        accepted = await send_all([self.client], calls)
        burst = Burst()
        singles = asyncio.create_task(self._keep_ordering(f"Beside {accounts}", burst.beside))
        for answer in accepted:
            order_id = answer.json()["id"]
            shown = partial(self.completed_at, order_id)
            at = await eventually(shown, bool, patience_seconds=600, look_seconds=LOOK_SECONDS)
            assert at is not None
            burst.seconds = max(burst.seconds, (at - began).total_seconds())
        burst.most_in_flight = await self.most_in_flight()
        singles.cancel()
        return burst

    async def _keep_ordering(self, name: str, took: list[float]) -> None:
        """Order one site after the other, and note how long each took."""
        for number in count(1):
            seconds = await self.single(f"{name} {number}")
            took.append(seconds)


async def store_account(client: httpx.AsyncClient, account_id: str) -> None:
    """Have the service place orders for an account as well."""
    answer = await client.put(f"/v1/accounts/{account_id}", json={"token": f"token-of-{account_id}"})
    answer.raise_for_status()


@asynccontextmanager
async def deployment(url: str, folder: Path) -> AsyncIterator[Deployment]:
    """Run a service beside a slow CloudPress, with slow accounts."""
    ours, cloudpress_url = free_url(), free_url()
    env = environment(url, cloudpress_url, PUBLIC_URL=ours, SLOW_SECONDS=str(SLOW_SECONDS))
    with (
        peer("cloudpress", cloudpress_url, env),
        installed("serve", "--port", port_of(ours), env=env, cwd=folder),
    ):
        async with (
            httpx.AsyncClient(base_url=ours, headers={"Authorization": KEY}, timeout=60) as client,
            httpx.AsyncClient(base_url=cloudpress_url, timeout=60) as cloudpress,
        ):
            await answers(client, "/readyz", 200, patience_seconds=60)
            # Whatever is ordered is done as soon as it is looked at.
            await cloudpress.post("/end")
            stored = [f"slow-{number}" for number in range(max(ACCOUNTS))]
            await asyncio.gather(*(store_account(client, name) for name in stored))
            running = Deployment(client, cloudpress)
            calling_back = asyncio.create_task(running.call_back())
            try:
                yield running
            finally:
                calling_back.cancel()


def shown(seconds: list[float]) -> str:
    """Return the median and the longest."""
    return f"{statistics.median(seconds) * 1000:.0f} ms ({max(seconds) * 1000:.0f})"


async def measure(kind: str, orders: int, table: Table) -> bool:
    """Add a database's rows; tell whether each account kept to its bound and was felt by no other."""
    is_well = True
    with TemporaryDirectory(prefix="presshook-bench-") as folder, database(kind) as url:
        async with deployment(url, Path(folder)) as running:
            alone = [await running.single(f"Alone {number}") for number in range(ALONE)]
            for accounts in ACCOUNTS:
                burst = await running.burst(accounts, orders)
                least = orders * ANSWERS * SLOW_SECONDS / (accounts * BOUND)
                table.add_row(
                    kind,
                    f"{orders} of {accounts}",
                    f"{burst.seconds:.1f} s",
                    f"{least:.1f} s",
                    f"{burst.most_of_an_account}",
                    f"{burst.most_in_flight['all']}",
                    shown(alone),
                    f"{shown(burst.beside)}, {len(burst.beside)} orders",
                )
                felt = statistics.median(burst.beside) - statistics.median(alone)
                is_well &= burst.most_of_an_account <= BOUND + FOR_CATALOG and felt < SLOW_SECONDS / 2
    return is_well


async def main() -> None:
    """Measure on both databases; end with status 1 where a slow account was felt by another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    arguments = parser.parse_args()
    table = Table(
        "database", "orders, accounts", "completed in", "at least", "in flight: an account", "all",
        "another's order alone (longest)", "beside",
    )  # fmt: skip
    kinds = [arguments.database] if arguments.database else ["sqlite", "postgresql"]
    is_well = all([await measure(kind, arguments.orders, table) for kind in kinds])
    Console(width=150).print(table)
    sys.exit(not is_well)


if __name__ == "__main__":
    asyncio.run(main())
