"""The examples of reverse proxies, run as they are but for names, ports and the certificate.

`nginx` and `caddy` are looked for on the path (Debian has packages of these names); without one its tests are
skipped.
"""

import asyncio
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from app.server.listening import listen
from tests.certificates import Authority
from tests.databases import SqliteFiles
from tests.harness import Presshook, eventually, run_presshook
from tests.settings import API_KEY
from tests.sse import stream

CONTRIB = Path(__file__).parents[2] / "contrib"
NGINX, CADDY = shutil.which("nginx") or shutil.which("/usr/sbin/nginx"), shutil.which("caddy")
ORDER = {"site": {"name": "Site", "variant": "vanilla"}}
SERVICE = "127.0.0.1:8000"


@dataclass(frozen=True)
class Front:
    """A proxy that runs, and the service behind it."""

    client: httpx.AsyncClient
    presshook: Presshook
    path: str


def nginx(folder: Path, service: str, port: int, path: str) -> list[str]:
    """Return the line that runs nginx by its example."""
    example = (CONTRIB / "nginx" / "presshook.conf").read_text()
    for there, here in (
        (SERVICE, service),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/certs/presshook.pem", str(folder / "server.pem")),
        ("/etc/ssl/private/presshook.key", str(folder / "server.pem")),
        ("location / {", f"location {path}/ {{"),
    ):
        assert there in example
        example = example.replace(there, here)
    kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = " ".join(f"{name}_temp_path {folder}/{name};" for name in kept)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
        f"{'user root;' if os.geteuid() == 0 else ''} worker_processes 1;\n"
        f"http {{ access_log off; {folders}\n{example}}}"
    )
    return [str(NGINX), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, service: str, port: int, path: str) -> list[str]:
    """Return the line that runs Caddy by its example."""
    example = (CONTRIB / "caddy" / "Caddyfile").read_text()
    pem = folder / "server.pem"
    ours = f"https://127.0.0.1:{port} {{\n\ttls {pem} {pem}"
    example = example.replace("\npresshook.example.com {", f"\n{ours}")
    if path:
        example = example.replace("\treverse_proxy ", f"\treverse_proxy {path}/* ")
    example = example.replace(SERVICE, service)
    own = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {folder}/caddy\n}}\n"
    (folder / "Caddyfile").write_text(own + example)
    return [str(CADDY), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES = {"nginx": (NGINX, nginx), "caddy": (CADDY, caddy)}


@asynccontextmanager
async def running(line: list[str], folder: Path) -> AsyncIterator[None]:
    with (folder / "proxy.log").open("w") as log:
        env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        process = subprocess.Popen(line, stdout=log, stderr=log, env=env)  # noqa: ASYNC220 - at once
        try:
            yield
        finally:
            process.terminate()
            # It ends with its connections, whose other end is served here.
            await asyncio.to_thread(process.wait)


@asynccontextmanager
async def in_front(proxy: str, path: str, database_url: str, folder: Path) -> AsyncIterator[Front]:
    authority = Authority()
    (folder / "server.pem").write_text(authority.server_pem("127.0.0.1"))
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
    url = f"https://127.0.0.1:{port}"
    async with run_presshook(
        database_url, "http://127.0.0.1:9", reconcile=False, heartbeat_seconds=0.1, public_url=url + path
    ) as presshook:
        service = presshook.url.removeprefix("http://")
        context = ssl.create_default_context(cadata=authority.pem)
        headers = {"Authorization": f"Bearer {API_KEY}"}
        line = PROXIES[proxy][1](folder, service, port, path)
        async with (
            running(line, folder),
            httpx.AsyncClient(base_url=url, verify=context, headers=headers, timeout=20) as client,
        ):

            async def status() -> int:
                try:
                    return (await client.get(f"{path}/livez")).status_code
                except httpx.TransportError:
                    return 0

            await eventually(status, lambda seen: seen == 200)
            yield Front(client, presshook, path)


@pytest.mark.parametrize("path", ["", "/presshook"], ids=["a host", "a path"])
@pytest.mark.parametrize("proxy", PROXIES)
async def test_everything_comes_through(
    sqlite_files: SqliteFiles, tmp_path: Path, proxy: str, path: str
) -> None:
    if PROXIES[proxy][0] is None:
        pytest.skip(f"{proxy} is not installed")
    with sqlite_files.migrated_url() as url:
        async with in_front(proxy, path, url, tmp_path) as front:
            await stream_comes_as_it_happens(front)
            await callback_is_let_in(front)
            await another_port_is_another_origin(front)


async def stream_comes_as_it_happens(front: Front) -> None:
    """An order, over TLS, by its key, and its event while the stream is open, as are signs of life."""
    headers = {"Prefer": "wait=0"}
    async with stream(front.client, f"{front.path}/v1/events") as opened:
        told = aiter(opened)
        placed = await front.client.post(f"{front.path}/v1/orders", json=ORDER, headers=headers)
        assert placed.status_code == 202
        assert (await anext(told)).body["order_id"] == placed.json()["id"]
        again = await front.client.post(f"{front.path}/v1/orders", json=ORDER, headers=headers)
        assert (await anext(told)).body["order_id"] == again.json()["id"]
    assert placed.headers["Location"].startswith(f"{front.path}/v1/orders/")
    assert (await front.client.get(placed.headers["Location"])).status_code == 200
    stranger = await front.client.get(f"{front.path}/v1/orders", headers={"Authorization": "Bearer wrong"})
    assert (stranger.status_code, stranger.headers["WWW-Authenticate"]) == (401, "Bearer")


async def callback_is_let_in(front: Front) -> None:
    """CloudPress's own value gets through, and bodies as large as it may send."""
    order_id = (await front.client.get(f"{front.path}/v1/orders")).json()["data"][0]["id"]
    value = front.presshook.service.callback_secrets.authorization(UUID(order_id))
    address = f"{front.path}/v1/callbacks/{order_id}"
    headers = {"Authorization": value}
    assert (await front.client.post(address, content=b"x" * 65_536, headers=headers)).status_code == 204
    answer = await front.client.post(address, content=b"x" * 65_537, headers=headers)
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json", "the service's own answer"


async def another_port_is_another_origin(front: Front) -> None:
    """The service is told the host as the browser asked for it: what else runs there is no page of ours."""
    page, ours = f"{front.path}/ui/sign-in", str(front.client.base_url).rstrip("/")
    for origin, status in ((ours, 303), ("https://127.0.0.1", 403)):
        answer = await front.client.post(page, data={"key": API_KEY}, headers={"Origin": origin})
        assert answer.status_code == status, origin
