"""How the commands ask: what they take of an answer, whom they trust, and through which proxy they go."""

import asyncio
import gzip
import os
import re
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpcore
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from app.cli import command_line, http
from app.cli.ending import ExitCode
from tests.certificates import Authority
from tests.cli.conftest import served
from tests.programs import run

EMPTY = b'{"data": [], "next_cursor": null}'


class Empty(BaseHTTPRequestHandler):
    """Answers with an empty list."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(EMPTY)))
        self.end_headers()
        self.wfile.write(EMPTY)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def secured(context: ssl.SSLContext) -> Iterator[str]:
    """Serve over TLS while the block runs; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_inflates_is_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    small = gzip.compress(gzip.compress(bytes(50_000_000)))

    async def answer(request: Request) -> Response:
        assert request.headers["accept-encoding"] == "identity"
        return Response(small, headers={"Content-Encoding": "gzip, gzip", "Content-Type": "application/json"})

    routes = [Route("/v1/{path:path}", answer)]
    with served(Starlette(routes=routes)) as url:
        for command in (["orders", "list"], ["listen", "--forward-to", "9"]):
            with pytest.raises(SystemExit) as ended:
                command_line()([*command, "--url", url, "--key", "k"])
            assert ended.value.code in {ExitCode.UNREACHABLE, ExitCode.REFUSED}
            assert re.search("Presshook|compressed", capsys.readouterr().err)


def test_an_endless_answer_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 100_000)

    async def chunks() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.001)
            yield bytes(10_000)

    async def answer(_request: Request) -> Response:
        return StreamingResponse(chunks(), media_type="application/json")

    with (
        served(Starlette(routes=[Route("/v1/{path:path}", answer)])) as url,
        pytest.raises(SystemExit) as ended,
    ):
        command_line()(["orders", "list", "--url", url, "--key", "k"])
    assert ended.value.code == ExitCode.UNREACHABLE
    assert "larger" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("http_proxy", "socks4://127.0.0.1:1"),
        ("HTTP_PROXY", "http://[::1"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
        ("SSL_CERT_DIR", "/nowhere"),
    ],
)
def test_a_variable_that_cannot_be_followed_is_named_in_one_line(variable: str, value: str) -> None:
    for command in (["orders", "list"], ["listen", "--forward-to", "9"]):
        env = {"PATH": os.environ["PATH"], variable: value}
        ended = run(*command, "--url", "http://presshook.invalid", "--key", "k", env=env)
        [line] = ended.stderr.splitlines()
        assert (ended.returncode, line.partition(":")[0]) == (2, "presshook")
        assert variable in line


def test_networks_and_ipv6_in_no_proxy_are_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,::1,[fd00::1],.internal")
    for url, through in (
        ("http://10.1.2.3", False),
        ("http://[fd00::1]:80", False),
        ("http://a.internal", False),
        ("http://192.0.2.1", True),
    ):
        with http.open_client(url, timeout_seconds=1) as client:
            transport = client._transport_for_url(httpx.URL(url))
            assert isinstance(transport, httpx.HTTPTransport)
            assert isinstance(transport._pool, httpcore.HTTPProxy) == through, url


def test_an_authority_of_ones_own_is_trusted_and_another_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    authority, path = Authority(), tmp_path / "authority.pem"
    path.write_text(authority.pem)
    with secured(authority.server_context("127.0.0.1")) as url:
        with pytest.raises(SystemExit):
            command_line()(["orders", "list", "--url", url, "--key", "k"])
        assert "SSL_CERT_FILE" in capsys.readouterr().err
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        command_line()(["orders", "list", "--url", url, "--key", "k"], standalone_mode=False)
