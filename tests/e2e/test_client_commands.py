"""The command line as a client of a running service: what it prints, and how it ends."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import API_KEY
from tests.e2e.conftest import PRESSHOOK, playground


@dataclass
class Terminal:
    """Where commands are typed."""

    env: dict[str, str]
    cwd: Path

    async def run(self, *arguments: str, typed: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [PRESSHOOK, *arguments],
                env=self.env | {"COLUMNS": "200"} | env,
                cwd=self.cwd,
                input=typed,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )

        return await asyncio.to_thread(run)

    async def json(self, *arguments: str, typed: str = "") -> Any:
        """Run a command that has to do well and print JSON."""
        ended = await self.run(*arguments, "--json", typed=typed)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)


@pytest.fixture
async def terminal(database_url: str, tmp_path: Path) -> AsyncIterator[Terminal]:
    """A terminal beside a service and a sandbox."""
    async with playground(database_url, tmp_path, task_seconds=1, CALLBACK_WAIT_SECONDS="600") as (url, env):
        yield Terminal(env | {"PRESSHOOK_URL": url, "PRESSHOOK_API_KEY": API_KEY}, tmp_path)


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
    assert [order["id"] for order in await terminal.json("orders", "list")] == [placed["id"]]


async def test_an_order_that_fails_ends_the_watch_with_4(terminal: Terminal) -> None:
    ended = await terminal.run("orders", "place", "Broken [task-failed]", "--watch")
    assert ended.returncode == 4
    assert "CloudPress's task for this order failed." in ended.stdout


async def test_cancelling_and_refreshing(terminal: Terminal) -> None:
    order = await terminal.json("orders", "place", "Unwanted [payment-first]")
    assert (await terminal.json("orders", "refresh", order["id"]))["status"] == "awaiting_payment"
    assert (await terminal.json("orders", "cancel", order["id"]))["status"] == "cancelled"
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
    [listed] = await terminal.json("keys", "list")
    assert key.startswith(listed["start"])
    rotated = await terminal.json("keys", "rotate", listed["id"])
    assert (await terminal.run("orders", "list", PRESSHOOK_API_KEY=key)).returncode == 1
    assert (await terminal.run("orders", "list", PRESSHOOK_API_KEY=rotated["key"])).returncode == 0
    assert (await terminal.run("keys", "revoke", listed["id"])).returncode == 0
    assert (await terminal.run("orders", "list", PRESSHOOK_API_KEY=rotated["key"])).returncode == 1
    table = await terminal.run("keys", "list")
    assert "revoked" in table.stdout
    assert rotated["key"] not in table.stdout
