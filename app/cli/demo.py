"""`demo`: the service beside a sandbox on a fresh SQLite file, with a handful of orders to watch."""

import asyncio
import logging
import secrets
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import httpx
import structlog
import typer
from rich.live import Live
from rich.markup import escape

from app.cli.demo_orders import DemoOrder, demo_orders, demo_table
from app.cli.printing import say
from app.cli.terminal import console
from app.config.settings import GivenSettings
from app.dashboard.desk import Desk
from app.main import Service, create_app
from app.maintenance.schema import upgrade
from app.sandbox import SandboxConfig, create_sandbox
from app.server.embedded import serving
from app.server.listening import address, listen

HOST = "127.0.0.1"
API_KEY = "demo-key"
TOKEN = "sandbox-token"  # noqa: S105 - of the sandbox
ACCOUNT = "sandbox-account"
MORE_ACCOUNTS = {"sandbox-token-2": "sandbox-account-2"}
TASK_SECONDS = 3.0
CALLBACK_WAIT_SECONDS = 6.0
PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 0.2


def demo(
    *,
    once: Annotated[
        bool, typer.Option(help="End when all orders are final: 0 if each is as expected.")
    ] = False,
) -> None:
    """Run the service beside a sandbox on a fresh SQLite file, and watch orders come alive."""
    # The demo speaks for itself; what goes wrong is still told.
    logging.basicConfig(level=logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="presshook-demo-") as folder:
        as_expected = asyncio.run(_run(Path(folder), once=once))
    if not as_expected:
        raise typer.Exit(1)


async def _run(folder: Path, *, once: bool) -> bool:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with _services(folder) as (base_url, sandbox_url, database_url, sign_in):
        console.print(f"Presshook on [b]{base_url}[/b], a stand-in CloudPress on [b]{sandbox_url}[/b]")
        console.print()
        orders = demo_orders()
        as_client = {"Authorization": f"Bearer {API_KEY}"}
        async with _asking(base_url, as_client) as client, _asking(sandbox_url) as browser:
            showing = asyncio.create_task(_show(client, browser, orders))
            await asyncio.wait(
                [showing, asyncio.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED
            )
            if not showing.done():
                showing.cancel()
                return not once
            await showing
            as_expected = await _report(browser, orders)
        if once:
            return as_expected
        _print_next_steps(base_url, sandbox_url, database_url, orders, f"{base_url}{sign_in}")
        await stopped.wait()
    return True


@asynccontextmanager
async def _services(folder: Path) -> AsyncIterator[tuple[str, str, str, str]]:
    """Run both programs; yield their base URLs, the database's, and the path that signs in at the first."""
    listener, sandbox_listener = listen(HOST, 8000), listen(HOST, 8001)
    sandbox = create_sandbox(
        SandboxConfig({TOKEN: ACCOUNT, **MORE_ACCOUNTS}, task_seconds=TASK_SECONDS, seed=1)
    )
    database_url = f"sqlite:///{folder / 'demo.db'}"
    async with serving(sandbox, sandbox_listener) as sandbox_url:
        settings = GivenSettings(
            database_url=database_url,
            public_url=address(listener),
            cloudpress_base_url=sandbox_url,
            cloudpress_api_token=TOKEN,
            cloudpress_account_id=ACCOUNT,
            api_key=API_KEY,
            secret_key=secrets.token_urlsafe(48),
            callback_wait_seconds=CALLBACK_WAIT_SECONDS,
            placing="on",
        )
        await asyncio.to_thread(upgrade, settings.database)
        service = Service(settings)
        app = create_app(service)
        desk: Desk = app.state.desk
        async with serving(app, listener) as base_url:
            try:
                yield base_url, sandbox_url, database_url, desk.sessions.link_once(API_KEY)
            finally:
                service.signals.stop()


def _asking(base_url: str, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """Return a client of what the demo runs: on this machine, where no proxy of the environment leads."""
    return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60, trust_env=False)


async def _show(client: httpx.AsyncClient, browser: httpx.AsyncClient, orders: list[DemoOrder]) -> None:
    """Place the orders and show them until all are final or patience ends."""
    placing = [asyncio.create_task(_place(client, order)) for order in orders]
    paying = asyncio.create_task(_pay(browser, orders))
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        with Live(demo_table(orders), console=console, refresh_per_second=10) as live:
            while time.monotonic() < deadline and any(order.final_at is None for order in orders):
                await asyncio.sleep(LOOK_SECONDS)
                for order in orders:
                    if "id" in order.body and order.final_at is None:
                        order.note((await client.get(f"/v1/orders/{order.body['id']}")).json())
                live.update(demo_table(orders))
    finally:
        for task in (*placing, paying):
            task.cancel()
        await asyncio.gather(*placing, paying, return_exceptions=True)


async def _place(client: httpx.AsyncClient, order: DemoOrder) -> None:
    order.placed_at = time.monotonic()
    answer = await client.post(
        "/v1/orders",
        json={"site": {"name": order.name, "variant": "vanilla"}},
        headers={"Prefer": "wait=1"},
    )
    order.note(answer.raise_for_status().json())


async def _pay(browser: httpx.AsyncClient, orders: list[DemoOrder]) -> None:
    """Be the end user, who takes a moment to pay."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        for order in orders:
            if order.status == "awaiting_payment" and time.monotonic() - order.placed_at > TASK_SECONDS:
                await browser.post(f"{order.body['payment_url']}/pay")
                order.last = "paid, CloudPress's task runs"


async def _report(browser: httpx.AsyncClient, orders: list[DemoOrder]) -> bool:
    """Say whether everything went as it has to."""
    wrong = [
        f"{order.name}: {order.status}, not {order.expected}"
        for order in orders
        if order.status != order.expected
    ]
    state = (await browser.get("/sandbox/state")).json()
    forged = [sent for made in state["orders"] for sent in made["callbacks"] if sent["forged"]]
    if [sent["status"] for sent in forged] != [401]:
        wrong.append(f"the forged callback was not refused: {forged}")
    if len(state["orders"]) != len(orders):
        wrong.append(f"{len(state['orders'])} orders at CloudPress, not {len(orders)}")
    for line in wrong:
        console.print(f"[red]unexpected:[/] {escape(line)}")
    if not wrong:
        console.print()
        console.print(
            f"[green]As expected:[/] {len(orders)} orders, each placed once, the forged callback refused."
        )
    return not wrong


def _print_next_steps(
    base_url: str, sandbox_url: str, database_url: str, orders: list[DemoOrder], dashboard: str
) -> None:
    key = f"-H 'Authorization: Bearer {API_KEY}'"
    order_id = orders[0].body["id"]
    order = '{"site": {"name": "My first site", "variant": "vanilla"}}'
    say(
        "",
        f"Dashboard    {dashboard}",
        f"API          {base_url}/docs",
        f"Sandbox      {sandbox_url}/",
        f"API key      {API_KEY}",
        "",
        "Go on with:",
        "",
        f"curl {base_url}/v1/orders {key} -H 'Content-Type: application/json' -d '{order}'",
        f"curl {base_url}/v1/orders/{order_id} {key}",
        f"curl {base_url}/v1/orders/{order_id}/credentials {key}",
        f"DATABASE_URL={database_url} presshook keys create shop",
        "",
        "Ctrl-C ends the demo.",
    )
