"""A fleet of the program that is killed again and again, its clients, and its operator."""

import asyncio
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import answers, environment, free_url, installed, port_of, program
from tests.harness import eventually
from tests.programs import Program
from tests.receiver import LOCAL_NETWORKS, run_receiver

AT_ONCE = 10
SECONDS_BETWEEN_ORDERS = 0.5
FAULTS = {
    "callback-lost": 0.2,
    "callback-doubled": 0.1,
    "place-lost": 0.1,
    "place-502-after": 0.05,
    "place-500": 0.05,
    "place-429": 0.1,
    "task-failed": 0.05,
    "site-late": 0.1,
    "order-500": 0.1,
    "body-deep": 0.1,
}
FINAL = {"completed", "failed", "cancelled"}
PATIENCE_SECONDS = 240
# The long run has the program as it is installed, whose start is a good part of every life.
run: Callable[..., AbstractContextManager[Program | subprocess.Popen[str]]]
run = installed if "PRESSHOOK_KILL_ORDERS" in os.environ else program


@dataclass
class Fleet:
    """Replicas of the service on one database, each with an address of its own."""

    urls: list[str]
    env: dict[str, str]
    cwd: Path
    random: random.Random
    stack: ExitStack
    kills: int = 0
    _processes: dict[str, Program | subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, url: str) -> None:
        """Start the replica of an address."""
        serve = run("serve", "--port", port_of(url), env={**self.env, "PUBLIC_URL": url}, cwd=self.cwd)
        self._processes[url] = self.stack.enter_context(serve)

    def kill(self, url: str) -> None:
        """Kill the replica of an address, in the midst of whatever it does."""
        self._processes[url].send_signal(signal.SIGKILL)
        self._processes[url].wait()
        self.kills += 1

    async def kill_again_and_again(self, done: asyncio.Event) -> None:
        """Every second or two kill a replica that is not lost for good and start it again, until `done`."""
        while not done.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self.random.uniform(1.0, 2.5)):
                    await done.wait()
                    return
            url = self.random.choice(self.urls)
            self.kill(url)
            self.start(url)

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Be a client who repeats a request, to any replica, until one answers with no server error."""
        while True:
            url = self.random.choice(self.urls)
            with suppress(httpx.TransportError):
                answer = await self._client.request(method, url + path, **request)
                if answer.status_code < 500:
                    return answer
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def running(self, headers: dict[str, str]) -> AsyncIterator[None]:
        """Run every replica, and a client of all."""
        for url in self.urls:
            self.start(url)
        async with httpx.AsyncClient(headers=headers, timeout=30) as self._client:
            yield


@dataclass
class Outcome:
    """What became of the orders."""

    statuses: Counter[str]
    bought: Counter[str]
    """How many CloudPress orders there are of each site's name."""
    kills: int
    events: int
    """How many events the application had to be told of, by webhook."""
    told: int
    messages: int


async def place(fleet: Fleet, number: int) -> str:
    """Be a client who repeats an order, under one key, until it is told that it is accepted."""
    answer = await fleet.ask(
        "POST",
        "/v1/orders",
        json={"site": {"name": f"{number:03d} under the axe", "variant": "vanilla"}},
        headers={"Idempotency-Key": f"order {number}", "Prefer": "wait=0"},
    )
    assert answer.status_code in {201, 202, 422}, answer.text
    return str(answer.json()["order_id" if answer.status_code == 422 else "id"])


async def resolve(fleet: Fleet, cloudpress: httpx.AsyncClient, order: dict[str, Any]) -> None:
    """Be the operator, who looks the order up in CloudPress by its site's name.

    An order whose answer was lost and whose task failed never gets a site, so it stays a suspect for all
    that are sought, and only a person can tell. One that its client wants cancelled is not placed again.
    """
    params = {"site_name": order["request"]["name"]}
    made = (await cloudpress.get("/sandbox/orders", params=params)).json()["orders"]
    body = {"action": "fail" if order["cancellation"] else "place_again"}
    if made:
        body = {"action": "adopt", "cloudpress_order_id": made[0]["id"]}
    answer = await fleet.ask("POST", f"/v1/orders/{order['id']}/resolve", json=body)
    assert answer.status_code in {200, 202, 409}, answer.text


async def until_all_are_final(fleet: Fleet, cloudpress: httpx.AsyncClient, ids: list[str]) -> Counter[str]:
    """Watch the orders, resolving those that ask for it, until each is final; count their statuses."""

    async def statuses() -> Counter[str]:
        shown = [(await fleet.ask("GET", f"/v1/orders/{order_id}")).json() for order_id in ids]
        for order in shown:
            if order["status"] == "unconfirmed" and order["attention"]:
                await resolve(fleet, cloudpress, order)
        return Counter(order["status"] for order in shown)

    return await eventually(statuses, lambda seen: set(seen) <= FINAL, patience_seconds=PATIENCE_SECONDS)


def fleet_environment(database_url: str, sandbox_url: str) -> dict[str, str]:
    """Return the environment of a fleet that does not wait for long, and of its sandbox."""
    return environment(
        database_url,
        sandbox_url,
        CALLBACK_WAIT_SECONDS="1",
        LEASE_SECONDS="3",
        UPSTREAM_TIMEOUT_SECONDS="2",
        PLACEMENT_GRACE_SECONDS="6",
        WEBHOOK_ALLOWED_NETWORKS=LOCAL_NETWORKS,
        CLOUDPRESS_API_TOKEN="sandbox-token",
        CLOUDPRESS_ACCOUNT_ID="sandbox-account",
    )


def sandbox_line(url: str, seed: int) -> list[str]:
    """Return the command that runs a sandbox which misbehaves."""
    rates = [part for name, rate in FAULTS.items() for part in ("--fault", f"{name}={rate}")]
    speed = ["--task-seconds", "0.5", "--callback-speed", "60"]
    return ["sandbox", "--port", port_of(url), "--seed", str(seed), *speed, *rates]


async def live_under_the_axe(
    database_url: str,
    cwd: Path,
    headers: dict[str, str],
    *,
    orders: int,
    seed: int,
    replicas: int = 1,
    meanwhile: Callable[[Fleet], Coroutine[Any, Any, None]] | None = None,
) -> Outcome:
    """Place orders with a fleet that is killed all the while; return how they ended when all are final.

    `meanwhile` does further harm while the orders come in.
    """
    sandbox_url = free_url()
    env = fleet_environment(database_url, sandbox_url)
    with ExitStack() as stack:
        stack.enter_context(run(*sandbox_line(sandbox_url, seed), env=env, cwd=cwd))
        urls = [free_url() for _ in range(replicas)]
        fleet = Fleet(urls, env, cwd, random.Random(seed), stack)
        async with (
            httpx.AsyncClient(base_url=sandbox_url, timeout=30) as cloudpress,
            run_receiver() as application,
            fleet.running(headers),
        ):
            application.moods = random.Random(seed)
            await answers(cloudpress, "/", 200)
            hook = (await fleet.ask("POST", "/v1/webhooks", json={"url": application.url})).json()
            application.secrets.append(hook["secret"])
            ids = await _order_under_the_axe(fleet, orders, meanwhile)
            final = await until_all_are_final(fleet, cloudpress, ids)
            made = (await cloudpress.get("/sandbox/orders")).json()["orders"]
            events = await until_all_is_told(fleet, hook["id"])
            assert application.unverified == []
    told = {event["id"] for event in events if f"evt_{event['id']}" in application.ids()}
    bought = Counter(order["site_name"] for order in made)
    return Outcome(final, bought, fleet.kills, len(events), len(told), len(application.messages))


async def until_all_is_told(fleet: Fleet, webhook_id: str) -> list[dict[str, Any]]:
    """Wait until nothing is on its way to the application any more; return what it had to be told."""

    async def pending() -> int:
        path = f"/v1/webhooks/{webhook_id}/deliveries?status=pending"
        return len((await fleet.ask("GET", path)).json()["data"])

    await eventually(pending, lambda count: count == 0, patience_seconds=PATIENCE_SECONDS)
    events: list[dict[str, Any]] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = (await fleet.ask("GET", f"/v1/events?limit=100&cursor={cursor}")).json()
        events += [event for event in page["data"] if event["order"] is not None]
        cursor = page["next_cursor"]
    return events


async def _order_under_the_axe(
    fleet: Fleet, orders: int, meanwhile: Callable[[Fleet], Coroutine[Any, Any, None]] | None
) -> list[str]:
    done = asyncio.Event()
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> str:
        await asyncio.sleep(number * SECONDS_BETWEEN_ORDERS)
        async with turn:
            return await place(fleet, number)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fleet.kill_again_and_again(done))
        harm = tasks.create_task(meanwhile(fleet)) if meanwhile else None
        ids = await asyncio.gather(*(one(number) for number in range(orders)))
        if harm is not None:
            await harm
        done.set()
    assert len(set(ids)) == orders
    return list(ids)
