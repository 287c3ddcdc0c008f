"""The command line as a client of a running service: what it prints, and how it ends."""

import asyncio
import json
import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import HTMLResponse

from app.server.embedded import serving
from app.server.listening import listen
from tests.e2e.conftest import playground
from tests.harness import eventually
from tests.programs import run, start
from tests.settings import API_KEY


@dataclass
class Terminal:
    """Where commands are typed."""

    env: dict[str, str]
    cwd: Path

    async def run(self, *arguments: str, typed: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""

        env = self.env | {"COLUMNS": "200"} | env
        return await asyncio.to_thread(run, *arguments, env=env, cwd=self.cwd, typed=typed)

    async def shown(self, *arguments: str) -> str:
        """Return what a command shows on a real terminal."""

        def read() -> str:
            ours, theirs = pty.openpty()
            env = self.env | {"TERM": "xterm", "COLUMNS": "200"}
            command = start(*arguments, env=env, cwd=self.cwd, stdout=theirs)
            os.close(theirs)
            pieces = []
            with suppress(OSError):  # what Linux says once nobody writes there any more
                while piece := os.read(ours, 65536):
                    pieces.append(piece)
            command.wait()
            os.close(ours)
            return b"".join(pieces).decode()

        return await asyncio.to_thread(read)

    def client(self) -> httpx.AsyncClient:
        """Return a client of the service."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        return httpx.AsyncClient(base_url=self.env["PRESSHOOK_URL"], headers=headers)

    async def json(self, *arguments: str, typed: str = "") -> Any:
        """Run a command that has to do well and print JSON."""
        ended = await self.run(*arguments, "--json", typed=typed)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def environment_of_clients(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A service and a sandbox for all tests here, and what a client's environment says of them."""
    with asyncio.Runner() as runner:
        cwd = tmp_path_factory.mktemp("playground")
        ground = playground(module_database_url, cwd, task_seconds=1, CALLBACK_WAIT_SECONDS="600")
        url, env = runner.run(ground.__aenter__())
        try:
            yield env | {"PRESSHOOK_URL": url, "PRESSHOOK_API_KEY": API_KEY}
        finally:
            runner.run(ground.__aexit__(None, None, None))


@pytest.fixture
def terminal(
    environment_of_clients: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> Terminal:
    """A terminal beside them."""
    database = environment_of_clients["DATABASE_URL"].partition(":")[0]
    request.node.user_properties.append(("database", database))
    return Terminal(environment_of_clients, tmp_path)


async def test_an_order_from_beginning_to_end(terminal: Terminal) -> None:
    placed = await terminal.json("orders", "place", "Rosa's Bakery", "--metadata", "customer=4711")
    assert placed["metadata"] == {"customer": "4711"}
    watched = await terminal.run("orders", "watch", placed["id"])
    assert watched.returncode == 0, watched.stderr
    assert "completed" in watched.stdout
    lines = await terminal.run("orders", "watch", placed["id"], "--json")
    assert json.loads(lines.stdout)["status"] == "completed"
    shown = await terminal.run("orders", "show", placed["id"], "--events")
    assert "Rosa's Bakery (vanilla)" in shown.stdout
    assert "accepted by API_KEY" in shown.stdout
    ssh = await terminal.json("orders", "credentials", placed["id"])
    assert ssh["ssh"]["password"] not in shown.stdout
    listed = await terminal.run("orders", "list", "--status", "completed")
    assert placed["id"] in listed.stdout
    async with terminal.client() as service:
        known = (await service.get("/v1/orders")).json()["data"]
    assert await terminal.json("orders", "list") == known
    assert placed["id"] in {order["id"] for order in known}


async def test_an_order_that_fails_ends_the_watch_with_4(terminal: Terminal) -> None:
    ended = await terminal.run("orders", "place", "Broken [task-failed]", "--watch")
    assert ended.returncode == 4
    assert "CloudPress's task for this order failed." in ended.stdout


async def test_a_watch_for_scripts_is_a_line_of_json_for_each_state_also_on_a_terminal(
    terminal: Terminal,
) -> None:
    shown = await terminal.shown("orders", "place", "Watched", "--watch", "--json")
    states = [json.loads(line) for line in shown.splitlines()]
    assert states[-1]["status"] == "completed"
    assert all(before != after for before, after in pairwise(states))
    assert "\x1b" in await terminal.shown("orders", "watch", states[-1]["id"]), "for people it is drawn"


async def test_an_empty_id_to_adopt_places_nothing_again(terminal: Terminal) -> None:
    body = {"site": {"name": "Lost [place-lost] [payment-first] [callback-lost]", "variant": "vanilla"}}
    async with (
        terminal.client() as service,
        httpx.AsyncClient(base_url=terminal.env["CLOUDPRESS_BASE_URL"]) as sandbox,
    ):

        async def sent() -> int:
            requests = (await sandbox.get("/sandbox/state")).json()["requests"]
            return int(requests.get("POST /api/orders", 0))

        sent_before = await sent()
        placed = await service.post("/v1/orders", json=body, headers={"Prefer": "wait=0"})
        path = placed.headers["location"]

        async def status() -> str:
            return str((await service.get(path)).json()["status"])

        await eventually(status, lambda seen: seen == "unconfirmed")
        ended = await terminal.run("orders", "resolve", placed.json()["id"], "--adopt", "")
        assert ended.returncode == 1
        assert "cloudpress_order_id: String should have at least 1 character" in ended.stderr
        told = (await service.get(f"{path}/events")).json()["data"]
        assert "order.resolution_requested" not in {event["type"] for event in told}
        assert await status() == "unconfirmed"
        two = await terminal.run("orders", "resolve", placed.json()["id"], "--fail", "--place-again")
        assert two.returncode == 2
        none = await terminal.run("orders", "resolve", placed.json()["id"], "--dismiss-duplicates")
        assert (none.returncode, none.stderr) == (
            1,
            "No CloudPress order is suspected to be this one, or its duplicate.\n",
        )
        assert await sent() == sent_before + 1


async def test_what_is_typed_as_an_id_leads_nowhere_else(terminal: Terminal) -> None:
    for arguments, status, said in (
        (("orders", "cancel", "../accounts/zzz"), 2, "Input should be a valid UUID"),
        (("orders", "show", "?limit=1"), 2, "Input should be a valid UUID"),
        (("accounts", "show", "../orders"), 1, "There is no such account."),
        (("accounts", "remove", ".."), 1, "There is no such account."),
        (("accounts", "show", "sandbox-account?x=1"), 1, "There is no such account."),
    ):
        ended = await terminal.run(*arguments)
        assert (ended.returncode, ended.stdout) == (status, ""), arguments
        assert said in ended.stderr


async def test_what_is_no_presshook_is_told_so(terminal: Terminal) -> None:
    async with serving(HTMLResponse("<h1>Welcome</h1>"), listen("127.0.0.1", 0)) as url:
        for arguments in (("orders", "list"), ("accounts", "remove", "x")):
            ended = await terminal.run(*arguments, PRESSHOOK_URL=url)
            said = f"What answers at {url} does not look like Presshook.\n"
            assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", said)


async def test_cancelling_and_refreshing(terminal: Terminal) -> None:
    order = await terminal.json("orders", "place", "Unwanted [payment-first]")
    assert (await terminal.json("orders", "refresh", order["id"]))["status"] == "awaiting_payment"
    assert (await terminal.json("orders", "cancel", order["id"]))["status"] == "cancelled"
    assert (await terminal.json("orders", "erase", order["id"]))["erased_at"] is not None
    refused = await terminal.run("orders", "refresh", order["id"])
    assert (refused.returncode, refused.stderr) == (1, "The order is cancelled: nothing changes any more.\n")


async def test_a_repeated_command_places_one_order(terminal: Terminal) -> None:
    arguments = ("orders", "place", "Once", "--idempotency-key", "job 17")
    first, second = [await terminal.json(*arguments) for _ in range(2)]
    assert first["id"] == second["id"]


async def test_errors_read_like_sentences(terminal: Terminal) -> None:
    for arguments, env, status, said in (
        (
            ("orders", "show", "01890000-0000-7000-8000-000000000000"),
            {},
            1,
            "There is no such order.\n",
        ),
        (
            ("orders", "place", "Site", "--variant", "deluxe"),
            {},
            1,
            (
                "Some fields are missing or not acceptable.\n"
                "  site.variant: Input should be 'vanilla', 'extendify' or 'migration'\n"
            ),
        ),
        (
            ("orders", "list"),
            {"PRESSHOOK_API_KEY": "wrong"},
            1,
            "The API key is missing or is not accepted: set PRESSHOOK_API_KEY or --key.\n",
        ),
        (
            ("orders", "list"),
            {"PRESSHOOK_URL": "http://127.0.0.1:9"},
            3,
            "The service cannot be reached at http://127.0.0.1:9 (ConnectError).\n",
        ),
    ):
        ended = await terminal.run(*arguments, **env)
        assert (ended.returncode, ended.stderr) == (status, said)
        assert ended.stdout == ""


async def test_an_order_that_cloudpress_refuses_is_told_with_its_words(terminal: Terminal) -> None:
    ended = await terminal.run("orders", "place", "Refused [place-422]")
    assert ended.returncode == 1
    said, kept = ended.stderr.splitlines()
    assert said == "CloudPress refused the order: The site's name is taken"
    assert kept.startswith("  It is kept as order ")


async def test_accounts(terminal: Terminal) -> None:
    stored = await terminal.json(
        "accounts", "set", "sandbox-account-2", "--name", "Two", typed="sandbox-token-2\n"
    )
    assert (stored["id"], stored["name"]) == ("sandbox-account-2", "Two")
    order = await terminal.json("orders", "place", "Elsewhere", "--account", "sandbox-account-2")
    assert order["account_id"] == "sandbox-account-2"
    listed = await terminal.run("accounts", "list")
    assert "sandbox-account-2" in listed.stdout
    assert "sandbox-token" not in listed.stdout
    refused = await terminal.run("accounts", "set", "sandbox-account-3", typed="wrong\n")
    assert (refused.returncode, "token: CloudPress answered 401" in refused.stderr) == (1, True)
    await terminal.run("orders", "watch", order["id"])
    assert (await terminal.run("accounts", "remove", "sandbox-account-2")).returncode == 0
    assert "There is no such account." in (await terminal.run("accounts", "show", "sandbox-account-2")).stderr


async def test_keys_are_made_in_the_database_and_let_in_at_once(terminal: Terminal) -> None:
    made = await terminal.run("keys", "create", "reader", "--scope", "orders:read")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert (await terminal.run("orders", "list", PRESSHOOK_API_KEY=key)).returncode == 0
    refused = await terminal.run("orders", "place", "Site", PRESSHOOK_API_KEY=key)
    assert (refused.returncode, refused.stderr) == (1, "This API key lacks the scope orders:write.\n")
    async with terminal.client() as service:
        [told] = (await service.get("/v1/events", params={"type": "key.created"})).json()["data"]
    [listed] = await terminal.json("keys", "list")
    assert told["data"] == {"key": listed["id"], "by": "presshook keys"}
    assert key.startswith(listed["start"])
    rotated = await terminal.json("keys", "rotate", listed["id"])
    assert (await terminal.run("orders", "list", PRESSHOOK_API_KEY=key)).returncode == 1
    assert (await terminal.run("orders", "list", PRESSHOOK_API_KEY=rotated["key"])).returncode == 0
    await terminal.json("keys", "rotate", listed["id"], "--grace-hours", "24")
    refused = await terminal.run("keys", "rotate", listed["id"], "--grace-hours", "24")
    assert (refused.returncode, "rotate with a grace of 0" in refused.stderr) == (1, True)
    assert (await terminal.run("orders", "list", PRESSHOOK_API_KEY=rotated["key"])).returncode == 0
    assert (await terminal.run("keys", "revoke", listed["id"])).returncode == 0
    assert (await terminal.run("orders", "list", PRESSHOOK_API_KEY=rotated["key"])).returncode == 1
    table = await terminal.run("keys", "list")
    assert "revoked" in table.stdout
    assert rotated["key"] not in table.stdout
