"""`make walk-alerts`: each alert's cause is made and ended under a real Prometheus.

Prometheus is looked for on the path. Debian's package has it, also without being installed:

    apt-get download prometheus && dpkg -x prometheus_*.deb /tmp/prometheus
    PATH=/tmp/prometheus/usr/bin:$PATH make walk-alerts

The rules are those in contrib, with every time in them divided by 60: an hour is a minute of the walk.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, LiteralString

import httpx
import psycopg

from tests.certificates import DAY, Authority
from tests.contrib.test_monitoring import RULES, rules
from tests.databases import PostgresServer
from tests.e2e.conftest import environment, free_url, installed, port_of
from tests.harness import eventually
from tests.maintenance.doctor.front import Front, standing
from tests.programs import PRESSHOOK
from tests.settings import API_KEY

FASTER = 60
SPAN = re.compile(r"(?<=[\[ ])(\d+)([mh])(?=[\] \n])")
PATIENCE_SECONDS = 240.0
KEY = {"Authorization": f"Bearer {API_KEY}"}
SECOND = "walk-account"
HELD_BACK = Front(most_bytes=1024)


def hurried(rules: str) -> str:
    """Return rules in which an hour is a minute, and two minutes of waiting are a few seconds."""
    seconds = {"m": 60 // FASTER, "h": 3600 // FASTER}
    spans = SPAN.sub(lambda found: f"{int(found[1]) * seconds[found[2]]}s", rules)
    return spans.replace("seconds) > 120", f"seconds) > {120 // FASTER}")


class Walk:
    """What runs, and how long each alert took."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        """Begin in a folder."""
        self.folder, self._stack = folder, stack
        self.processes: dict[str, tuple[Any, list[str], dict[str, str]]] = {}
        self.urls = {
            name: free_url() for name in ("replica-1", "replica-2", "worker", "sandbox", "prometheus")
        }
        self.way_in = free_url().replace("http:", "https:")
        self.client = httpx.AsyncClient(
            base_url=self.urls["replica-1"], headers=KEY, trust_env=False, timeout=60
        )
        self.rows: dict[str, list[str]] = {}

    def start(self, name: str, arguments: list[str], env: dict[str, str]) -> None:
        """Start a command of ours."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        block = installed(*arguments, env=env, cwd=folder)
        block.__enter__()
        self._stack.callback(lambda: block.__exit__(None, None, None))
        self.processes[name] = block, arguments, env

    def stop(self, name: str) -> tuple[list[str], dict[str, str]]:
        """End one; return how it is started again."""
        block, arguments, env = self.processes.pop(name)
        block.__exit__(None, None, None)
        return arguments, env

    async def run(self, command: str) -> None:
        """Run a command to its end."""
        _, _, env = self.processes["worker"]
        ended = await asyncio.create_subprocess_exec(PRESSHOOK, command, env=env, cwd=self.folder)
        assert await ended.wait() == 0

    async def firing(self) -> set[str]:
        """Ask Prometheus which alerts fire."""
        async with httpx.AsyncClient(base_url=self.urls["prometheus"], trust_env=False) as client:
            alerts = (await client.get("/api/v1/alerts")).json()["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}

    async def cause(
        self, causes: Mapping[str, Callable[[], Awaitable[str]]], ends: Callable[[], Awaitable[str]]
    ) -> None:
        """Make causes, see each alert fire, end them, and see each go."""
        assert not await self.firing() & causes.keys()
        for alert, make in causes.items():
            self.rows[alert] = [await make()]
        await self._each(set(causes), is_firing=True)
        ended = await ends()
        print(f"  ended: {ended}", flush=True)
        await self._each(set(causes), is_firing=False)

    async def _each(self, alerts: set[str], *, is_firing: bool) -> None:
        began, left = time.monotonic(), set(alerts)
        while left:
            firing = await self.firing()
            for alert in sorted(left & firing if is_firing else left - firing):
                took = f"{time.monotonic() - began:.0f} s"
                print(f"  {alert} {'fires' if is_firing else 'is gone'} after {took}", flush=True)
                self.rows[alert].append(took)
                left.discard(alert)
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise SystemExit(f"never seen to {'fire' if is_firing else 'go'}: {', '.join(sorted(left))}")
            await asyncio.sleep(0.5)

    async def order(self, name: str, account: str | None = None) -> str:
        """Place an order; return its id."""
        body = {"site": {"name": name, "variant": "vanilla"}, **({"account_id": account} if account else {})}
        answer = await self.client.post("/v1/orders", json=body, headers={"Prefer": "wait=5"})
        assert answer.status_code in {201, 202}, answer.text
        order_id: str = answer.json()["id"]
        return order_id

    async def until(self, order_id: str, seen: Callable[[dict[str, Any]], bool]) -> None:
        """Wait for an order."""

        async def look() -> dict[str, Any]:
            found: dict[str, Any] = (await self.client.get(f"/v1/orders/{order_id}")).json()
            return found

        await eventually(look, seen, patience_seconds=60)

    async def sandbox(self, method: str, path: str, **body: Any) -> None:
        """Use the sandbox's control API."""
        async with httpx.AsyncClient(base_url=self.urls["sandbox"], trust_env=False) as client:
            answer = await client.request(method, f"/sandbox{path}", json=body or None)
        assert answer.is_success, answer.text


@asynccontextmanager
async def hook(status: list[int]) -> AsyncIterator[str]:
    """An application that answers whatever it is told with a status."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(f"HTTP/1.1 {status[0]} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


async def ready(client: httpx.AsyncClient, path: str) -> None:
    """Wait until something answers 200."""

    async def look() -> bool:
        with suppress(httpx.TransportError):
            return (await client.get(path)).status_code == 200
        return False

    await eventually(look, bool, patience_seconds=PATIENCE_SECONDS)


async def deploy(walk: Walk, database_url: str, authority: Path) -> None:
    """Start the sandbox, two replicas, a worker and Prometheus."""
    env = environment(
        database_url,
        walk.urls["sandbox"],
        PUBLIC_URL=walk.way_in,
        CLOUDPRESS_API_TOKEN="sandbox-token",
        CLOUDPRESS_ACCOUNT_ID="sandbox-account",
        CALLBACK_WAIT_SECONDS="2",
        RETENTION_DAYS="30",
        WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
        WORKER_PORT=port_of(walk.urls["worker"]),
        SSL_CERT_FILE=str(authority),
    )
    sandbox = ["sandbox", "--port", port_of(walk.urls["sandbox"]), "--task-seconds", "1"]
    walk.start("sandbox", [*sandbox, "--also", f"walk-token={SECOND}"], env)
    for name in ("replica-1", "replica-2"):
        walk.start(name, ["serve", "--no-reconciler", "--port", port_of(walk.urls[name])], env)
    walk.start("worker", ["worker"], env)
    async with httpx.AsyncClient(trust_env=False) as client:
        for name in ("replica-1", "replica-2", "worker"):
            await ready(client, f"{walk.urls[name]}/readyz")
    made = await walk.client.post("/v1/keys", json={"name": "prometheus", "scopes": ["metrics:read"]})
    (walk.folder / "presshook.key").write_text(made.json()["key"])
    (walk.folder / "rules.yml").write_text(hurried(RULES.read_text()))
    targets = ", ".join(f'"{walk.urls[name][7:]}"' for name in ("replica-1", "replica-2", "worker"))
    (walk.folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
        "scrape_configs:\n  - job_name: presshook\n    authorization: {credentials_file: presshook.key}\n"
        f"    static_configs: [{{targets: [{targets}]}}]\n"
    )


def prometheus(walk: Walk) -> subprocess.Popen[bytes]:
    """Start Prometheus."""
    found = shutil.which("prometheus")
    if found is None:
        raise SystemExit("prometheus is not on the path: see python -m pydoc tests.contrib.walk")
    with (walk.folder / "prometheus.log").open("w") as log:
        return subprocess.Popen(
            [
                found,
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                f"--web.listen-address={walk.urls['prometheus'][7:]}",
            ],
            cwd=walk.folder,
            stdout=log,
            stderr=log,
        )


class Causes:
    """The causes that need nothing to be stopped, each made by a method that says what it was."""

    def __init__(self, walk: Walk, database_url: str, mend: Callable[[], Awaitable[None]]) -> None:
        """Prepare; `mend` puts the way in right."""
        self._walk, self._database_url, self._mend = walk, database_url, mend
        self._answers = [410]
        self._unpaid = self._unknown = ""

    async def walk(self) -> None:
        """Make all, see each alert fire, end all, see each go."""
        made = await self._walk.client.put(f"/v1/accounts/{SECOND}", json={"token": "walk-token"})
        assert made.is_success, made.text
        self._unpaid = await self._walk.order("Its account's token goes [payment-first]", SECOND)
        await self._walk.until(self._unpaid, lambda order: order["status"] == "awaiting_payment")
        async with hook(self._answers) as url:
            made = await self._walk.client.post("/v1/webhooks", json={"url": url})
            assert made.is_success, made.text
            causes = {
                "PresshookCertificateEnds": self.certificate_ends,
                "PresshookCheckFails": self.check_fails,
                "PresshookCloudPressRefuses": self.cloudpress_refuses,
                "PresshookAttention": self.asks_for_a_person,
                "PresshookPruningIsBehind": self.pruning_is_behind,
                "PresshookOutcomeUnknown": self.outcome_is_unknown,
                "PresshookWebhookDisabled": self.webhook_is_disabled,
                "PresshookCallbacksDoNotArrive": self.callbacks_do_not_arrive,
                "PresshookForgeries": self.forgeries,
            }
            await self._walk.cause(causes, self.end)

    async def certificate_ends(self) -> str:
        """It was made so."""
        return "the certificate ends in 10 days"

    async def check_fails(self) -> str:
        """It was made so."""
        return "a proxy lets callbacks of 1 kB in, and no larger ones"

    async def cloudpress_refuses(self) -> str:
        """Have CloudPress take a token no more."""
        await self._walk.sandbox("DELETE", "/tokens/walk-token")
        await self._walk.client.post(f"/v1/orders/{self._unpaid}/refresh")
        return "CloudPress takes an account's token no more"

    async def asks_for_a_person(self) -> str:
        """The same."""
        return "the same: its order asks for a person"

    async def pruning_is_behind(self) -> str:
        """Have an order be old since long; the worker has pruned just now, and does next in an hour."""
        order_id = await self._walk.order("Old [callback-lost]")
        await self._walk.until(order_id, lambda order: order["status"] == "completed")
        await self._execute(
            "UPDATE orders SET finalized_at = finalized_at - interval '40 days' WHERE id = %s", order_id
        )
        return "an order ended 40 days ago, of which 30 are kept"

    async def _execute(self, statement: LiteralString, *given: object) -> None:
        async with await psycopg.AsyncConnection.connect(self._database_url, autocommit=True) as connection:
            await connection.execute(statement, given)

    async def outcome_is_unknown(self) -> str:
        """Have CloudPress break off."""
        self._unknown = await self._walk.order("Broken off [place-500]")
        return "CloudPress answers an order with 500"

    async def webhook_is_disabled(self) -> str:
        """Have something to tell."""
        await self._walk.order("Told to an application that is gone [callback-lost]")
        return "an application answers 410"

    async def callbacks_do_not_arrive(self) -> str:
        """Lose callbacks."""
        for number in range(6):
            await self._walk.order(f"Not called back {number} [callback-lost]")
        return "orders finish whose callbacks are lost"

    async def forgeries(self) -> str:
        """Try values."""
        path = "/v1/callbacks/01900000-0000-7000-8000-000000000000"
        for _ in range(40):
            answer = await self._walk.client.post(path, headers={"Authorization": "Bearer no"})
            assert answer.status_code == 401
        return "40 callbacks come with a wrong value"

    async def end(self) -> str:
        """End all of them."""
        walk = self._walk
        await walk.sandbox("POST", "/tokens", token="walk-token", account_id=SECOND)
        await walk.client.post(f"/v1/orders/{self._unpaid}/refresh")
        settled = await walk.client.post(f"/v1/orders/{self._unknown}/resolve", json={"action": "fail"})
        assert settled.is_success, settled.text
        self._answers[0] = 204
        for webhook in (await walk.client.get("/v1/webhooks")).json()["data"]:
            await walk.client.patch(f"/v1/webhooks/{webhook['id']}", json={"enabled": True})
        await self._mend()
        for number in range(3):
            await walk.order(f"Called back {number}")
        await self._execute("DELETE FROM check_rounds")  # an hour passes
        await walk.run("prune")
        return "token and webhook put right, the order settled, a new certificate, no limit of size, pruned"


async def what_ends(walk: Walk, server: PostgresServer) -> None:
    """Walk through the alerts for which something is stopped."""
    stopped: dict[str, tuple[list[str], dict[str, str]]] = {}

    async def nobody() -> str:
        stopped["worker"] = walk.stop("worker")
        await walk.order("Nobody works on it")
        return "the worker ends, an order comes"

    async def again() -> str:
        for name, (arguments, env) in stopped.items():
            walk.start(name, arguments, env)
        stopped.clear()
        return "started again"

    async def away() -> str:
        await asyncio.to_thread(server.stop_hard)
        return "PostgreSQL is killed"

    async def back() -> str:
        await asyncio.to_thread(server.start_again)
        return "PostgreSQL is started again"

    async def gone() -> str:
        for name in ("worker", "replica-1", "replica-2"):
            stopped[name] = walk.stop(name)
        return "both replicas and the worker end"

    await walk.cause({"PresshookNobodyWorks": nobody}, again)
    await walk.cause({"PresshookDatabaseAway": away}, back)
    await walk.cause({"PresshookGone": gone}, again)


async def main() -> None:
    """Walk, and print a table."""
    async with AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(TemporaryDirectory(prefix="presshook-walk-", ignore_cleanup_errors=True))
        )
        (folder / "postgresql").mkdir()
        server = PostgresServer(folder / "postgresql")
        stack.callback(server.stop)
        database_url = stack.enter_context(server.migrated_url())
        walk = Walk(folder, stack)
        authority = Authority()
        (folder / "authority.pem").write_text(authority.pem)
        before = await stack.enter_async_context(AsyncExitStack())

        async def stand(front: Front, lasts: timedelta) -> None:
            await before.aclose()
            tls = authority.server_context("127.0.0.1", valid_for=lasts)
            block = standing(front, walk.urls["replica-1"], tls=tls, port=int(port_of(walk.way_in)))
            await before.enter_async_context(block)

        await stand(HELD_BACK, 10 * DAY)
        await deploy(walk, database_url, folder / "authority.pem")
        process = prometheus(walk)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        async with httpx.AsyncClient(base_url=walk.urls["prometheus"], trust_env=False) as client:
            await ready(client, "/-/ready")
        print(f"prometheus scrapes {walk.urls}", flush=True)
        await Causes(walk, database_url, lambda: stand(Front(), 90 * DAY)).walk()
        await what_ends(walk, server)
    unwalked = {rule["alert"] for rule in rules()} - walk.rows.keys()
    if unwalked:
        raise SystemExit(f"not walked: {', '.join(sorted(unwalked))}")
    print("\n| alert | cause | fires after | after its end gone within |\n|---|---|---|---|")
    for alert, cells in walk.rows.items():
        print(f"| `{alert}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
