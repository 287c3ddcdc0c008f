"""No webhook reaches what it should not, however its address is spelled or its name resolves."""

import asyncio
import ipaddress
import socket
import threading
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.loading import SettingsError, load_settings
from app.server.embedded import serving
from app.server.listening import listen
from app.webhooks import addresses as guarded
from app.webhooks.addresses import Allowance, BadUrlError, ForbiddenAddressError
from app.webhooks.resolver import Names
from app.webhooks.sender import HttpSender
from tests.harness import Sandbox, run_presshook
from tests.receiver import Receiver, run_receiver
from tests.settings import API_KEY, SECRET_KEY

ALLOWED = "127.0.0.1/32"
HIDDEN = "The name leads to an address that is not public."

# Every kind of address that is not the public's, in the spellings that a resolver or a library takes.
FORBIDDEN = [
    # loopback
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.0.0.1",
    "0177.0.0.1", "017700000001", "0x7f.1", "127.0.0.1.", "[::1]", "[0:0:0:0:0:0:0:1]", "localhost",
    "LOCALHOST",
    # unspecified
    "0.0.0.0", "0",  # noqa: S104
    "0x0", "[::]",
    # private
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "0xc0a80001", "3232235521",
    "[fc00::1]", "[fd12:3456:789a::1]",
    # link-local, and the metadata services of clouds
    "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "[fe80::1]", "[fe80::1%25lo]",
    "[fd00:ec2::254]",
    # CGNAT
    "100.64.0.1", "100.127.255.254", "1681915905",
    # multicast, broadcast, reserved, benchmarks, documentation
    "224.0.0.1", "239.255.255.255", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1", "192.0.0.8",
    "198.51.100.1", "203.0.113.1", "[ff02::1]", "[2001:db8::1]", "[fec0::1]", "[100::1]",
    # IPv4 inside IPv6: mapped, compatible, translated, 6to4, Teredo, NAT64
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]",
    "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001:0:7f00:1::]", "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]",
]  # fmt: skip
PUBLIC = [
    "93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "100.63.0.1",
    "100.128.0.1", "172.15.255.255", "172.32.0.1", "169.253.0.1", "2002:101:101::1",
]  # fmt: skip


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note every attempt of a socket to connect, so that a refusal after it would be seen."""
    connected: list[Any] = []
    original = BaseSelectorEventLoop.sock_connect

    async def noting(loop: Any, sock: socket.socket, address: Any) -> None:
        connected.append(address)
        await original(loop, sock, address)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", noting)
    return connected


@pytest.mark.parametrize("host", FORBIDDEN)
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_a_forbidden_address_is_refused_before_it_is_connected_to(
    host: str, scheme: str, no_connection: list[Any]
) -> None:
    sender = HttpSender(Allowance(), attempt_seconds=5)
    attempt = await sender.send(f"{scheme}://{host}:9/hook", {}, b"{}")
    await sender.aclose()
    assert attempt.status is None
    assert attempt.error is not None
    assert (
        attempt.error.endswith("is not a public address.")
        or attempt.error == HIDDEN
        or "resolved" in attempt.error
        or (attempt.error in {"The connection failed (ConnectError).", "The URL cannot be requested."})
    ), attempt.error
    assert no_connection == []


@pytest.mark.parametrize("host", [host for host in FORBIDDEN if host.lower() != "localhost"])
def test_a_forbidden_address_that_is_written_out_is_refused_at_once(host: str) -> None:
    with pytest.raises(BadUrlError):
        Allowance().check_url(f"https://{host}/hook")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed_over_https_alone(address: str) -> None:
    Allowance().check(ipaddress.ip_address(address), is_encrypted=True)
    with pytest.raises(ForbiddenAddressError):
        Allowance().check(ipaddress.ip_address(address), is_encrypted=False)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_that_is_not_global_is_ever_allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    wrapped = [address]
    if isinstance(address, ipaddress.IPv4Address):
        number = int(address)
        wrapped += [
            ipaddress.IPv6Address((0xFFFF << 32) | number),
            ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
            ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ]
    for each in wrapped:
        if not address.is_global or address.is_multicast:
            with pytest.raises(ForbiddenAddressError):
                Allowance().check(each, is_encrypted=True)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://shop.example.com/", "file:///etc/passwd", "gopher://shop.example.com/", "https://", "//shop/x",
        "https://user@shop.example.com/", "https://user:secret@shop.example.com/", "https://@shop.example.com/",
        "https://shop.example.com:0/", "https://shop.example.com:99999/", "https://shop.example.com/#part",
        "https://shop.example.com/a b", "https://shop.example.com/\r\nHost: other", "https://[::1", "x",
        "http://shop.example.com/", "https://exämple.com/",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(BadUrlError) as refused:
        Allowance().check_url(url)
    assert "secret" not in str(refused.value)


async def test_the_api_names_the_field(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        for url in ("https://127.1/hook", "http://shop.example.com/", "https://u:p@shop.example.com/"):
            answer = await presshook.client.post("/v1/webhooks", json={"url": url})
            assert answer.status_code == 422
            assert [error["field"] for error in answer.json()["errors"]] == ["url"]
        made = await presshook.client.post("/v1/webhooks", json={"url": "https://shop.example.com/"})
        changed = await presshook.client.patch(
            f"/v1/webhooks/{made.json()['id']}", json={"url": "https://[::1]/"}
        )
        assert changed.status_code == 422


class Resolver:
    """A resolver of the test's own: what it answers for a name, one answer after the other."""

    def __init__(self, answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked = 0
        self.original = socket.getaddrinfo

    def getaddrinfo(self, host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        """Answer in the standard library's form; what is an address already is not looked up."""
        name = host.decode() if isinstance(host, bytes) else host
        if name != "name.test" or options.get("flags"):
            return self.original(host, port, *arguments, **options)
        addresses = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]


async def send(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, *answers: list[str], times: int = 1
) -> tuple[list[str | None], Resolver]:
    """Send to a name, each time over a new connection; return the errors."""
    names = Resolver(list(answers))
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    port = httpx.URL(receiver.url).port
    errors = []
    for _ in range(times):
        sender = HttpSender(Allowance((ipaddress.ip_network(ALLOWED),)), attempt_seconds=5)
        errors.append((await sender.send(f"http://name.test:{port}/hook", {}, b"{}")).error)
        await sender.aclose()
    return errors, names


async def test_a_name_is_connected_to_at_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, no_connection: list[Any]
) -> None:
    errors, names = await send(monkeypatch, receiver, ["127.0.0.1"])
    assert no_connection == [("127.0.0.1", httpx.URL(receiver.url).port)], "every connection is noted here"
    assert (errors, names.asked, len(receiver.messages)) == ([None], 1, 1)
    assert receiver.messages[0].headers["host"].startswith("name.test:")


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["1.1.1.1", "::1"]]
)
async def test_a_name_with_one_forbidden_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, addresses: list[str], no_connection: list[Any]
) -> None:
    [error], _ = await send(monkeypatch, receiver, addresses)
    assert error in {HIDDEN, "Only https may leave for a public address."}
    assert no_connection == []


async def test_a_name_that_changes_its_answer_gains_nothing(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """Between the check and the connection the name is not asked again; at the next connection it is."""
    port = httpx.URL(receiver.url).port
    inside = Receiver()
    async with serving(inside, listen("127.0.0.2", port or 0)):
        errors, names = await send(monkeypatch, receiver, ["127.0.0.1"], ["127.0.0.2"], times=3)
    assert errors == [None, HIDDEN, HIDDEN]
    assert (names.asked, len(receiver.messages), len(inside.messages)) == (3, 1, 0)


async def test_a_name_is_tried_at_its_next_address_where_the_first_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setattr(guarded, "ADDRESS_SECONDS", 0.2)
    port = httpx.URL(receiver.url).port or 0
    with ExitStack() as stack:
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.2", port))
        silent.listen(0)
        for _ in range(3):  # its queue is full: whoever else comes is not answered
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(("127.0.0.2", port))
        monkeypatch.setattr(f"{__name__}.ALLOWED", "127.0.0.0/8")
        errors, names = await send(monkeypatch, receiver, ["127.0.0.2", "127.0.0.1"])
    assert (errors, names.asked, len(receiver.messages)) == ([None], 1, 1)


async def test_look_ups_are_shared_bounded_and_hold_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    asked: list[str] = []

    def getaddrinfo(host: str, *_arguments: Any, **_options: Any) -> Any:
        asked.append(host)
        released.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    names = Names(most=2)
    given_up = asyncio.create_task(names.resolve("one.test"))
    waiting = [asyncio.create_task(names.resolve(host)) for host in ("one.test", "one.test", "two.test")]
    try:
        await asyncio.sleep(0)  # each has asked
        with pytest.raises(httpcore.ConnectError):
            await names.resolve("three.test")
        given_up.cancel()
        threads = [each for each in threading.enumerate() if each.name.startswith("look-up")]
        assert all(thread.daemon for thread in threads), "the process ends without them"
    finally:
        released.set()
    expected = [ipaddress.ip_address("192.0.2.1")]
    assert await asyncio.gather(*waiting) == [expected] * 3
    assert sorted(asked) == ["one.test", "two.test"]
    assert await names.resolve("three.test") == expected, "there is room again"


@asynccontextmanager
async def answering(answer: bytes, targets: list[bytes]) -> AsyncIterator[int]:
    """Answer requests on a port with these bytes and then say nothing; note what they asked for."""
    done = asyncio.Event()

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        targets.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
        writer.write(answer)
        await done.wait()
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        server.close()


@pytest.mark.parametrize("status", [200, 410, 429])
async def test_a_status_counts_although_its_body_hangs(status: int) -> None:
    answer = f"HTTP/1.1 {status} So\r\nRetry-After: 70\r\nContent-Length: 100\r\n\r\nbegin".encode()
    sender = HttpSender(Allowance((ipaddress.ip_network(ALLOWED),)), attempt_seconds=1)
    async with answering(answer, []) as port:
        attempt = await sender.send(f"http://127.0.0.1:{port}/hook", {}, b"{}")
        await sender.aclose()
    assert (attempt.status, attempt.excerpt, attempt.retry_after_seconds) == (status, "begin", 70)
    assert attempt.is_success == (status == 200)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("/hook;token=abc?x=1;y", b"/hook;token=abc?x=1;y"),
        ("/a;b/c;d", b"/a;b/c;d"),
        ("?x=1", b"/?x=1"),
        ("", b"/"),
        ("/%2F%3b", b"/%2F%3b"),
    ],
)
async def test_a_path_arrives_whole(given: str, asked: bytes) -> None:
    sender = HttpSender(Allowance((ipaddress.ip_network(ALLOWED),)), attempt_seconds=5)
    targets: list[bytes] = []
    async with answering(b"HTTP/1.1 204 So\r\n\r\n", targets) as port:
        attempt = await sender.send(f"http://127.0.0.1:{port}{given}", {}, b"{}")
        await sender.aclose()
    assert (attempt.status, targets) == (204, [asked])


@pytest.mark.parametrize(
    ("networks", "address", "covered", "why"),
    [
        ("10.0.0.0/8", "::ffff:10.1.2.3", "yes", "it is that address"),
        ("10.0.0.0/8", "2002:a01:203::", "yes", "6to4 leads there and nowhere else"),
        ("10.0.0.0/8", "64:ff9b::10.1.2.3", "yes", "NAT64 does too"),
        ("10.0.0.0/8", "2001:0:a00:1:0:0:5601:5601", "no", "Teredo by an allowed server to 169.254.169.254"),
        ("10.0.0.0/8,2001::/32", "2001:0:a00:1:0:0:5601:5601", "no", "nor if Teredo itself is allowed"),
        ("10.0.0.0/8,2001::/32", "2001:0:a00:1:0:0:f5fe:fdfc", "yes", "all that it leads to is allowed"),
        ("fd00::/8", "fd12::1", "yes", "it is named"),
        ("fd00::/8", "10.0.0.1", "no", "it is not"),
    ],
)
def test_what_an_allowance_covers(networks: str, address: str, covered: str, why: str) -> None:
    allowance = Allowance(tuple(ipaddress.ip_network(each) for each in networks.split(",")))
    assert allowance.covers(ipaddress.ip_address(address)) == (covered == "yes"), why


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    async with run_receiver() as elsewhere:
        receiver.status, receiver.headers = 307, {"location": elsewhere.url}
        sender = HttpSender(Allowance((ipaddress.ip_network(ALLOWED),)))
        attempt = await sender.send(receiver.url, {}, b"{}")
        await sender.aclose()
        assert attempt.status == 307
        assert attempt.error == "The application redirects, which is not followed."
        assert elsewhere.messages == []


@pytest.mark.parametrize("value", ["10.0.0.0/33", "everything", "10.0.0.0/8,,x", "*"])
def test_a_bad_allowance_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    good = {
        "CLOUDPRESS_BASE_URL": "http://127.0.0.1:9", "CLOUDPRESS_API_TOKEN": "t",
        "CLOUDPRESS_ACCOUNT_ID": "a", "API_KEY": API_KEY, "SECRET_KEY": SECRET_KEY,
    }  # fmt: skip
    for name, text in {**good, "WEBHOOK_ALLOWED_NETWORKS": value}.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError, match=r"^WEBHOOK_ALLOWED_NETWORKS: must be networks"):
        load_settings()
