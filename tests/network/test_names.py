"""Names that cannot be: what takes a host refuses them, and says so where one is looked up all the same."""

import asyncio
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer

from app.cli.addresses import address
from app.cloudpress import checked_url, with_written_path
from app.config.loading import SettingsError, load_database_settings
from app.maintenance.doctor import asking
from app.network import NetworkSettingsError, proxy_for
from app.network.names import is_host
from app.server.listening import ListenError, listen_on
from app.webhooks.addresses import Allowance, BadUrlError

HOSTS = [
    ("shop..example.com", "two dots in a row"),
    (".example.com", "nothing before the first"),
    ("shop.example.com..", "two at the end"),
    (f"{'a' * 64}.example.com", "a part of more than 63 letters"),
    (".".join(["a" * 63] * 4), "more than 253 letters in all"),
]
NO_HOSTS = pytest.mark.parametrize(("host", "reason"), HOSTS)


@NO_HOSTS
def test_a_name_that_cannot_be_is_refused_wherever_one_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_host(host), reason
    with pytest.raises(ValueError, match=r"https://example\.com: no host's name has an empty part"):
        checked_url(f"https://{host}/hooks", example="https://example.com")
    with pytest.raises(BadUrlError):
        Allowance().check_url(f"https://{host}/hook")
    with pytest.raises(typer.BadParameter, match=host):
        address(f"{host}:3000")
    with pytest.raises(NetworkSettingsError, match=r"^HTTPS_PROXY: "):
        proxy_for("https://example.com", {"HTTPS_PROXY": f"http://{host}:3128"})
    for url in (f"postgresql://u:s3cr3t@{host}/db", f"postgresql://one,{host}:5433/db"):
        monkeypatch.setenv("DATABASE_URL", url)
        with pytest.raises(SettingsError, match=r"^DATABASE_URL: names a host that cannot be: ") as caught:
            load_database_settings()
        assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "shop.example.com", "shop.example.com.", "my_shop-1.example", f"{'a' * 63}.example",
        "xn--bcher-kva.example", "bücher.example", "192.0.2.1", "::1", "2001:db8::192.0.2.1", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_what_can_be_is_none_of_them(host: str) -> None:
    assert is_host(host)


def test_a_host_that_nobody_looks_up_may_have_any_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for url in (
        "postgresql://a..b/db?hostaddr=192.0.2.1",
        "postgresql:///db?host=/srv/a..b",
        f"sqlite:///{tmp_path}/a..b",
    ):
        monkeypatch.setenv("DATABASE_URL", url)
        load_database_settings()


def test_a_host_that_libpq_takes_from_the_environment_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGHOST", "a..b")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@/db")
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: names a host that cannot be"):
        load_database_settings()
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@db/db")
    load_database_settings()


@pytest.mark.parametrize("host", [host for host, _ in HOSTS[:-1]])
async def test_where_one_is_looked_up_it_is_told_as_an_error_of_the_network(host: str) -> None:
    """The last one is none that Python tells by a UnicodeError."""
    with pytest.raises(UnicodeError):
        socket.getaddrinfo(host, 80)
    with pytest.raises(OSError, match="empty part"):
        await asking.addresses_of(host, 80)
    with pytest.raises(ListenError, match=rf"^cannot listen on {host}:80: "):
        listen_on(host, 80)


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://bücher.example:8443/x", "https://xn--bcher-kva.example:8443/x"),
        ("https://Shop.example/ü", "https://Shop.example/%C3%BC"),
    ],
)
def test_a_public_url_is_written_as_a_header_can_hold_it(url: str, written: str) -> None:
    assert with_written_path(url) == written


async def test_the_doctor_asks_a_name_of_other_letters() -> None:
    """Its Host header is in ASCII, or the doctor would end in a traceback."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = urlsplit(with_written_path(f"http://bücher.example:{port}"))
        said = await asking.post(url, "/", "127.0.0.1", {}, b"{}")
    assert said.status == 204
    assert f"Host: xn--bcher-kva.example:{port}".encode() in asked[0]


@pytest.mark.parametrize("host", ["אב1.example"])
def test_a_name_that_is_asked_as_of_idna_2008_is_taken_as_of_it(host: str) -> None:
    """By IDNA 2008 a name of Hebrew letters may end with a digit; by that of Python it may not."""
    assert checked_url(f"http://{host}", example="x") == f"http://{host}"
    assert address(f"http://{host}") == f"http://{host}"


def test_a_host_whose_address_the_environment_has_is_not_looked_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@a..b/db")
    load_database_settings()
