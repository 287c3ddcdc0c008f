"""Whose certificates are trusted, and how it is told where one is not."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from app.cloudpress import CloudPress, Connections, NotSent
from app.network import NetworkSettingsError, trust_store
from app.webhooks.addresses import Allowance
from app.webhooks.outcomes import Attempt
from app.webhooks.sender import HttpSender
from tests.certificates import HASHED_NAME, Authority
from tests.receiver import LOCAL_NETWORKS

TASK = b'{"task": {"id": 1, "status": "OK"}}'
DAY = timedelta(days=1)


@pytest.fixture
def authority() -> Authority:
    """An operator's own authority."""
    return Authority()


@pytest.fixture(params=["SSL_CERT_FILE", "SSL_CERT_DIR"])
def trusted(
    request: pytest.FixtureRequest, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trust the authority in either way."""
    if request.param == "SSL_CERT_FILE":
        path = tmp_path / "authority.pem"
        path.write_text(authority.pem)
    else:
        path = tmp_path
        (tmp_path / f"{HASHED_NAME}.0").write_text(authority.pem)
    monkeypatch.setenv(request.param, str(path))


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Answer every request over TLS; yield the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(TASK), TASK))
            await writer.drain()
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask_cloudpress(port: int) -> int:
    async with Connections() as connections:
        cloudpress = CloudPress(
            connections, f"https://127.0.0.1:{port}", token="t", account_id="a", timeout_seconds=20
        )
        return (await cloudpress.task(1)).value.id


async def tell_application(port: int) -> Attempt:
    sender = HttpSender(Allowance((ip_network(LOCAL_NETWORKS),)))
    try:
        return await sender.send(f"https://127.0.0.1:{port}/hook", {}, b"{}")
    finally:
        await sender.aclose()


@pytest.mark.usefixtures("trusted")
async def test_cloudpress_and_applications_are_trusted_alike(authority: Authority) -> None:
    async with serving(authority.server_context("127.0.0.1")) as port:
        assert await ask_cloudpress(port) == 1
        assert (await tell_application(port)).status == 200


@pytest.mark.parametrize(
    ("names", "valid_for", "is_known", "told"),
    [
        (["127.0.0.1"], DAY, False, "unable to get local issuer certificate"),
        (["127.0.0.1"], -DAY, True, "certificate has expired"),
        (["other.example"], DAY, True, "certificate is not valid for '127.0.0.1'"),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_told(
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: list[str],
    valid_for: timedelta,
    *,
    is_known: bool,
    told: str,
) -> None:
    if is_known:
        (tmp_path / "authority.pem").write_text(authority.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with serving(authority.server_context(*names, valid_for=valid_for)) as port:
        with pytest.raises(NotSent) as caught:
            await ask_cloudpress(port)
        attempt = await tell_application(port)
    assert caught.value.kind == "certificate"
    for text in (str(caught.value), str(attempt.error)):
        assert "certificate is not trusted" in text
        assert told in text
        assert "SSL_CERT_FILE" in text


def test_the_systems_authorities_stay_trusted(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SSL_CERT_FILE` adds to them: CloudPress is public, an application may not be."""
    path = tmp_path / "authority.pem"
    path.write_text(authority.pem)
    system = tmp_path / "system.pem"
    system.write_text(Authority().pem)
    built_in = ssl.get_default_verify_paths()._replace(openssl_cafile=str(system), openssl_capath="/nowhere")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: built_in)
    trusted = trust_store({"SSL_CERT_FILE": str(path)}).get_ca_certs(binary_form=True)
    expected = [ssl.PEM_cert_to_DER_cert(each.read_text()) for each in (system, path)]
    assert sorted(trusted) == sorted(expected)


def test_a_machine_without_authorities_has_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built_in = ssl.get_default_verify_paths()._replace(
        openssl_cafile="/nowhere", openssl_capath=str(tmp_path)
    )
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: built_in)
    monkeypatch.setattr("app.network.trust.SYSTEM_FILES", ())
    # A name of its own, so that no store that was made before is had.
    (tmp_path / "own").mkdir()
    assert len(trust_store({"SSL_CERT_DIR": str(tmp_path / "own")}).get_ca_certs()) > 50


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("kind", ["missing", "empty", "rubbish", "folder"])
def test_a_path_that_cannot_be_used_is_named_in_one_line(variable: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "rubbish":
            path.write_bytes(b"\xff\x00 no certificate\n" * 5)
        case "folder":
            path.mkdir()
    if (variable, kind) == ("SSL_CERT_DIR", "folder"):
        assert trust_store({variable: str(path)}) is not None
        return
    with pytest.raises(NetworkSettingsError) as caught:
        trust_store({variable: str(path)})
    assert str(caught.value).startswith(f"{variable}: ")
    assert "\n" not in str(caught.value)


def test_the_keys_of_connections_are_not_written_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys"))
    (tmp_path / "own").mkdir()
    assert trust_store({"SSL_CERT_DIR": str(tmp_path / "own")}).keylog_filename is None
