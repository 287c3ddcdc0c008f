"""The installed program under `kill -9`: nothing is lost, nothing is bought twice, everything ends."""

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import answers, environment, free_url, port_of, program
from tests.harness import eventually

# The long run is `PRESSHOOK_KILL_ORDERS=300 make test ARGS=tests/e2e/test_kill.py`.
ORDERS = int(os.environ.get("PRESSHOOK_KILL_ORDERS", "15"))
SEED = int(os.environ.get("PRESSHOOK_KILL_SEED", "1"))
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


async def place(client: httpx.AsyncClient, number: int) -> str:
    """Be a client who repeats an order, under one key, until it is told that it is accepted."""
    body = {"site": {"name": f"{number:03d} under the axe", "variant": "vanilla"}}
    while True:
        try:
            answer = await client.post(
                "/v1/orders", json=body, headers={"Idempotency-Key": f"order {number}", "Prefer": "wait=0"}
            )
        except httpx.TransportError:
            await asyncio.sleep(0.1)
            continue
        if answer.status_code in {201, 202}:
            return str(answer.json()["id"])
        if answer.status_code == 422:
            return str(answer.json()["order_id"])


async def resolve(client: httpx.AsyncClient, cloudpress: httpx.AsyncClient, order: dict[str, Any]) -> None:
    """Be the operator, who looks the order up in CloudPress by its site's name.

    An order whose answer was lost and whose task failed never gets a site, so it stays a suspect for all
    that are sought, and only a person can tell.
    """
    params = {"site_name": order["request"]["name"]}
    made = (await cloudpress.get("/sandbox/orders", params=params)).json()["orders"]
    body = {"action": "adopt", "cloudpress_order_id": made[0]["id"]} if made else {"action": "place_again"}
    answer = await client.post(f"/v1/orders/{order['id']}/resolve", json=body)
    assert answer.status_code in {200, 202, 409}, answer.text


async def kill_again_and_again(
    start: Any, stack: ExitStack, random: random.Random, done: asyncio.Event
) -> int:
    """Kill the service every second or two, and start it again, until `done`; return how often."""
    kills = 0
    process = stack.enter_context(start())
    while not done.is_set():
        try:
            async with asyncio.timeout(random.uniform(1.0, 2.5)):
                await done.wait()
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            process = stack.enter_context(start())
    return kills


async def test_nothing_is_lost_or_bought_twice_under_kill_9(
    database_url: str, tmp_path: Path, api_headers: dict[str, str]
) -> None:
    service_url, sandbox_url = free_url(), free_url()
    env = environment(
        database_url,
        sandbox_url,
        PUBLIC_URL=service_url,
        CALLBACK_WAIT_SECONDS="1",
        LEASE_SECONDS="3",
        UPSTREAM_TIMEOUT_SECONDS="2",
        PLACEMENT_GRACE_SECONDS="6",
    )
    env |= {"CLOUDPRESS_API_TOKEN": "sandbox-token", "CLOUDPRESS_ACCOUNT_ID": "sandbox-account"}
    rates = [part for name, rate in FAULTS.items() for part in ("--fault", f"{name}={rate}")]
    sandbox = ["sandbox", "--port", port_of(sandbox_url), "--task-seconds", "0.5", "--seed", str(SEED)]

    def start() -> Any:
        return program("serve", "--port", port_of(service_url), env=env, cwd=tmp_path)

    with ExitStack() as stack:
        stack.enter_context(program(*sandbox, "--callback-speed", "60", *rates, env=env, cwd=tmp_path))
        done = asyncio.Event()
        async with (
            httpx.AsyncClient(base_url=service_url, headers=api_headers, timeout=30) as client,
            httpx.AsyncClient(base_url=sandbox_url, timeout=30) as cloudpress,
        ):
            await answers(cloudpress, "/", 200)
            killing = asyncio.create_task(kill_again_and_again(start, stack, random.Random(SEED), done))
            turn = asyncio.Semaphore(AT_ONCE)

            async def one(number: int) -> str:
                await asyncio.sleep(number * SECONDS_BETWEEN_ORDERS)
                async with turn:
                    return await place(client, number)

            ids = await asyncio.gather(*(one(number) for number in range(ORDERS)))
            assert len(set(ids)) == ORDERS
            done.set()
            kills = await killing
            await answers(client, "/readyz", 200)

            async def statuses() -> Counter[str]:
                shown = [(await client.get(f"/v1/orders/{order_id}")).json() for order_id in ids]
                for order in shown:
                    if order["status"] == "unconfirmed" and order["attention"]:
                        await resolve(client, cloudpress, order)
                return Counter(order["status"] for order in shown)

            final = await eventually(
                statuses, lambda seen: set(seen) <= FINAL, patience_seconds=PATIENCE_SECONDS
            )
            made = Counter(
                order["site_name"] for order in (await cloudpress.get("/sandbox/orders")).json()["orders"]
            )
    print(f"seed {SEED}: {ORDERS} orders, {kills} kills, {dict(final)}")
    assert kills >= ORDERS * SECONDS_BETWEEN_ORDERS / 10
    assert set(made.values()) <= {1}, f"bought twice: {made.most_common(3)}"
    assert final["completed"] <= len(made)
