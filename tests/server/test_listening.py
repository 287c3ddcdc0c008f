"""Addresses: both families, and how they are written."""

import errno
import socket

import httpx
import pytest

from app.server import listening
from app.server.embedded import serving
from app.server.listening import REASONS, ListenError, address, authority, listen, listen_on
from tests.server.conftest import Answering


@pytest.mark.parametrize(
    ("host", "reached_at", "reason"),
    [
        ("127.0.0.1", ["http://127.0.0.1:{}"], "one address"),
        ("::1", ["http://[::1]:{}"], "one address, in brackets"),
        ("0.0.0.0", ["http://127.0.0.1:{}"], "one family"),  # noqa: S104
        ("::", ["http://[::1]:{}", "http://127.0.0.1:{}"], "both families"),
        ("localhost", ["http://127.0.0.1:{}"], "a name"),
    ],
)
async def test_what_answers_where(
    host: str, reached_at: list[str], reason: str, application: Answering
) -> None:
    listeners = listen_on(host, 0)
    port = listeners[0].getsockname()[1]
    assert address(listeners[0]) in [url.format(port) for url in [*reached_at, "http://[::1]:{}"]], reason
    for other in listeners[1:]:
        assert other.getsockname()[1] == port, "all addresses of a name have one port"
        other.close()
    async with serving(application, listeners[0]) as told, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(told)).text == "ok"
        if not listeners[1:]:
            for url in reached_at:
                assert (await client.get(url.format(port))).text == "ok", reason


def test_without_ipv6_both_families_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = listening._listener

    def without_ipv6(family: int, where: tuple[str, int]) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return real(family, where)

    # A machine that has both cannot be made to have one.
    monkeypatch.setattr(listening, "_listener", without_ipv6)
    [listener] = listen_on("::", 0)
    with listener:
        assert address(listener).startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("host", "port", "named"),
    [("::1", 8000, "[::1]:8000"), ("2001:db8::7", 80, "[2001:db8::7]:80"), ("a.test", 80, "a.test:80")],
)
def test_how_an_address_is_written(host: str, port: int, named: str) -> None:
    assert authority(host, port) == named


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken(host: str) -> None:
    with listen(host, 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as told:
            listen_on(host, port)
        assert str(told.value) == f"cannot listen on {authority(host, port)}: {REASONS[errno.EADDRINUSE]}"
        with listen(host, port) as another:
            assert another.getsockname()[1] != port
        with pytest.raises(ListenError):
            listen(host, port, exactly=True)


def test_what_is_no_address() -> None:
    with pytest.raises(ListenError, match=r"^cannot listen on nowhere\.invalid:80: [^\n]+$"):
        listen_on("nowhere.invalid", 80)


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="the system bounds nothing")
def test_accepted_connections_inherit_the_bounds() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            said = [
                accepted.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_USER_TIMEOUT, socket.TCP_NOTSENT_LOWAT)
            ]
    assert said == [listening.USER_TIMEOUT_MILLISECONDS, listening.UNSENT_BYTES]
