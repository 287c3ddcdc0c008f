"""A fleet of which every replica is replaced by another release while it works, and its clients."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from shutil import copy
from typing import Any

import httpx

from tests.e2e.conftest import answers, free_url, port_of
from tests.e2e.killing import (
    Fleet,
    fleet_environment,
    place,
    run,
    sandbox_line,
    until_all_are_final,
    until_all_is_told,
)
from tests.programs import PRESSHOOK, Program, start
from tests.receiver import run_receiver

ROOT = Path(__file__).parents[2]
VERSIONS = "migrations/versions"
ENCRYPTION = "app/secrets.py"
SHIPPED = ("app", "migrations", "presshook.py", "pyproject.toml", "README.md", "LICENSE")
# What runs a release that is unpacked in a folder: our own environment has what it depends on.
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); import presshook; presshook.main()"
LONGEST_END_SECONDS = 20
# The release before loads all of itself, while everybody else works.
START_SECONDS = 90
PATH = {"PATH": os.environ["PATH"]}
SECONDS_BETWEEN_ORDERS = 0.3
# How events of the log end that tell of a fault of the program's own.
BROKEN = ("_broken", "_died")
# Every so many orders one is cancelled.
CANCELLED = 7


class Release(StrEnum):
    """Which release a replica runs."""

    BEFORE = "before"
    THIS = "this"


def git(*arguments: str) -> bytes:
    """Return what git tells of this repository.

    Raises:
        LookupError: there is no git, no repository, or not enough of its history.
    """
    try:
        ended = subprocess.run(["/usr/bin/env", "git", *arguments], cwd=ROOT, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        raise LookupError(error.stderr.decode().strip()) from None
    return ended.stdout


def release_before() -> str:
    """Return the commit of the release before this one: the newest tag that leads here.

    While there is none it is the commit before the newest migration: what a tag on the day before would have
    been. `PRESSHOOK_BEFORE` names another.

    Raises:
        LookupError: as `git`.
    """
    if named := os.environ.get("PRESSHOOK_BEFORE"):
        return named
    with suppress(LookupError):
        return git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^").decode().strip()
    newest = max(path.name for path in (ROOT / VERSIONS).glob("[0-9]*.py"))
    added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", f"{VERSIONS}/{newest}").decode().strip()
    # One that is not committed yet comes after all that is.
    return git("rev-parse", f"{added}^" if added else "HEAD").decode().strip()


def is_released(commit: str) -> bool:
    """Tell whether a commit is a release's."""
    return bool(git("tag", "--points-at", commit, "--list", "v[0-9]*").strip())


def install(commit: str, folder: Path) -> Path:
    """Build a release's wheel, as its tag would be built, and unpack it; return the folder that has it.

    One that was never released is given how this one encrypts: a release may write nothing that the one
    before it cannot read, but what was in nobody's hands binds nobody.

    Raises:
        LookupError: as `git`.
    """
    with tarfile.open(fileobj=BytesIO(git("archive", commit, *SHIPPED))) as source:
        source.extractall(folder / "source", filter="data")
    if not is_released(commit):
        copy(ROOT / ENCRYPTION, folder / "source" / ENCRYPTION)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=folder / "source", check=True, capture_output=True, env=PATH)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as unpacked:
        unpacked.extractall(folder / "installed")  # noqa: S202 - we have built it
    return folder / "installed"


@dataclass
class MixedFleet(Fleet):
    """Replicas of two releases on one database; they end as an orchestrator ends them."""

    before: Path = Path()
    """Where the release before is."""
    answered: Counter[str] = field(default_factory=Counter)
    """How often clients were given each answer that says to try again, and each that says nothing good."""
    swaps: int = 0

    def line(self, release: Release) -> list[str]:
        """Return the line that runs a release's program."""
        if release is Release.THIS:
            return [str(PRESSHOOK)]
        return [sys.executable, "-P", "-c", START, str(self.before)]

    def migrate(self, release: Release) -> str:
        """Bring the database to a release's schema; return what that says."""
        ended = subprocess.run(
            [*self.line(release), "migrate"],
            cwd=self.cwd, env=self.env, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return ended.stdout

    async def begin(self, url: str, release: Release) -> None:
        """Start the replica of an address, and wait until it is ready."""
        env, serve = {**self.env, "PUBLIC_URL": url}, ["serve", "--port", port_of(url)]
        process: Program | subprocess.Popen[str]
        with (self.cwd / f"{release}.log").open("a") as log:
            if release is Release.THIS:
                process = start(*serve, env=env, cwd=self.cwd, stderr=log)
            else:
                line = [*self.line(release), *serve]
                process = subprocess.Popen(line, cwd=self.cwd, env=env, stderr=log, text=True)  # noqa: ASYNC220 - at once
        self.stack.callback(self._end_hard, process)
        self._processes[url] = process
        await answers(self._client, f"{url}/readyz", 200, patience_seconds=START_SECONDS)

    @staticmethod
    def _end_hard(process: Program | subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()

    async def swap(self, url: str, release: Release) -> None:
        """Replace the replica of an address by one of a release, as a rollout does."""
        process = self._processes[url]
        process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(process.wait, LONGEST_END_SECONDS)
        assert status == 0, f"it ended with {status}"
        await self.begin(url, release)
        self.swaps += 1

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Be a client who goes to any replica, and repeats what one is told to repeat, and nothing else."""
        while True:
            url = random.choice(self.urls)
            with suppress(httpx.TransportError):
                answer = await self._client.request(method, url + path, **request)
                if answer.status_code < 500:
                    return answer
                is_retried = answer.status_code == 503 and "Retry-After" in answer.headers
                self.answered[f"{answer.status_code}{'' if is_retried else ' for good'}"] += 1
                assert is_retried, f"{method} {path}: {answer.status_code} {answer.text}"
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def running_release(self, release: Release, headers: Mapping[str, str]) -> AsyncIterator[None]:
        """Run every replica by one release, and a client of all."""
        async with httpx.AsyncClient(headers=headers, timeout=30) as self._client:
            for url in self.urls:
                await self.begin(url, release)
            yield


@dataclass
class Lived:
    """What became of the orders that were placed during an upgrade."""

    statuses: Counter[str]
    bought: Counter[str]
    """How many CloudPress orders there are of each site's name."""
    orders: int
    swaps: int
    answered: Counter[str]
    untold: set[int]
    """The events of which the application never heard."""
    migrated: list[str]
    """What the commands that migrate have said."""
    broken: Counter[str]
    """What either release has logged that is its own fault, or what is no line of its log."""


async def live_through_an_upgrade(
    database_url: str, cwd: Path, headers: dict[str, str], before: Path, *, seed: int
) -> Lived:
    """Replace replica by replica while orders come in, by this release; one of them goes back."""
    sandbox_url = free_url()
    env = fleet_environment(database_url, sandbox_url)
    with ExitStack() as stack:
        stack.enter_context(run(*sandbox_line(sandbox_url, seed), env=env, cwd=cwd))
        urls = [free_url(), free_url()]
        fleet = MixedFleet(urls, env, cwd, random.Random(seed), stack, before=before)
        migrated = [fleet.migrate(Release.BEFORE)]
        async with (
            httpx.AsyncClient(base_url=sandbox_url, timeout=30) as cloudpress,
            run_receiver() as application,
            fleet.running_release(Release.BEFORE, headers),
        ):
            await answers(cloudpress, "/", 200)
            hook = (await fleet.ask("POST", "/v1/webhooks", json={"url": application.url})).json()
            application.secrets.append(hook["secret"])
            done = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                placing = tasks.create_task(_order_until(fleet, done))
                tasks.create_task(_look_until(fleet, done))
                if not database_url.startswith("sqlite"):
                    migrated.append(await asyncio.to_thread(fleet.migrate, Release.THIS))
                first, second = urls
                upgrade = [(first, Release.THIS), (second, Release.THIS)]
                for url, release in (*upgrade, (first, Release.BEFORE)):
                    await fleet.swap(url, release)
                migrated.append(await asyncio.to_thread(fleet.migrate, Release.BEFORE))
                done.set()
            ids = placing.result()
            final = await until_all_are_final(fleet, cloudpress, ids)
            made = (await cloudpress.get("/sandbox/orders")).json()["orders"]
            events = await until_all_is_told(fleet, hook["id"])
            assert application.unverified == []
    told = application.ids()
    untold = {event["id"] for event in events if f"evt_{event['id']}" not in told}
    bought = Counter(order["site_name"] for order in made)
    broken = sum((broken_in(cwd / f"{release}.log") for release in Release), Counter[str]())
    return Lived(final, bought, len(ids), fleet.swaps, fleet.answered, untold, migrated, broken)


def broken_in(log: Path) -> Counter[str]:
    """Return what a log tells of a release that does not fit, although the other one makes good for it."""
    found: Counter[str] = Counter()
    for line in log.read_text().splitlines():
        try:
            event = str(json.loads(line)["event"])
        except (ValueError, KeyError):
            event = line
        if event is line or event.endswith(BROKEN):
            found[event] += 1
    return found


async def _order_until(fleet: MixedFleet, done: asyncio.Event) -> list[str]:
    """Be clients who order, some of whom think better of it, until `done`; return the orders' ids."""
    ids: list[str] = []
    while not done.is_set():
        ids.append(await place(fleet, len(ids)))
        if len(ids) % CANCELLED == 0:
            answer = await fleet.ask("DELETE", f"/v1/orders/{ids[-1]}", headers={"Prefer": "wait=0"})
            assert answer.status_code in {200, 202, 409}, answer.text
        await asyncio.sleep(SECONDS_BETWEEN_ORDERS)
    assert len(set(ids)) == len(ids)
    return ids


async def _look_until(fleet: MixedFleet, done: asyncio.Event) -> None:
    """Be those who read, and who change what is no order, until `done`."""
    number = 0
    while not done.is_set():
        number += 1
        for path in READS:
            answer = await fleet.ask("GET", path)
            assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        for order in (await fleet.ask("GET", "/v1/orders?limit=5")).json()["data"]:
            shown = await fleet.ask("GET", f"/v1/orders/{order['id']}")
            assert shown.json()["request"] == order["request"]
            assert (await fleet.ask("GET", f"/v1/orders/{order['id']}/events")).status_code == 200
            answer = await fleet.ask("POST", f"/v1/orders/{order['id']}/refresh")
            assert answer.status_code in {200, 202, 409}, answer.text
        account = {"name": f"Another {number}", "token": "sandbox-token-2"}
        answer = await fleet.ask("PUT", "/v1/accounts/sandbox-account-2", json=account)
        assert answer.status_code in {200, 201}, answer.text
        key = {"name": f"key {number}", "scopes": ["orders:read"]}
        assert (await fleet.ask("POST", "/v1/keys", json=key)).status_code == 201


READS = (
    "/v1/orders?limit=100",
    "/v1/orders?attention=true",
    "/v1/events?limit=100&cursor=0",
    "/v1/webhooks",
    "/v1/accounts",
    "/v1/keys",
    "/v1/catalog",
    "/metrics",
)
