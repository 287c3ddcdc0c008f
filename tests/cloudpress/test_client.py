"""The client against a server that misbehaves on demand: what it says, and that it tells no secret."""

# ruff: noqa: E501 - the table reads by its lines

import asyncio
import contextlib
import gzip
import json
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.cloudpress import (
    BadAnswer,
    CloudPress,
    CloudPressError,
    Connections,
    NoAnswer,
    NotFound,
    NotSent,
    Refused,
    SiteOrder,
)
from tests.cloudpress.server import (
    Behaviour,
    close,
    drip,
    flood,
    misbehaving,
    raw,
    reply,
    reset,
    silence,
)

TOKEN = "s3cr3t-token"
CALLBACK = "Bearer s3cr3t-callback-value"
PLACED = json.dumps(
    {"order": {"id": "o-1", "status": "open"}, "task": {"id": 1, "status": "PENDING"}}
).encode()
SITE = SiteOrder(name="Site", variant="vanilla", location=None, plan=None, return_url=None)
LATE = 0.3


@asynccontextmanager
async def client(url: str, timeout_seconds: float = 10) -> AsyncIterator[CloudPress]:
    async with Connections() as connections:
        yield CloudPress(connections, url, token=TOKEN, account_id="acct", timeout_seconds=timeout_seconds)


async def place(cloudpress: CloudPress) -> object:
    return await cloudpress.place(
        SITE, callback_url="http://127.0.0.1/v1/callbacks/1", callback_authorization=CALLBACK
    )


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ONE = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(PLACED), PLACED)
NONE = b"HTTP/1.1 422 Unprocessable Content\r\nContent-Length: 21\r\n\r\n" + b'{"errors": ["taken"]}'
ECHO = json.dumps({"errors": [f"token {TOKEN} and {CALLBACK}"]}).encode()
ROWS: list[tuple[Behaviour, type[CloudPressError], str, str]] = [
    (close, NoAnswer, "protocol", "it may have been read"),
    (reset, NoAnswer, "disconnect", "it may have been read"),
    (silence, NoAnswer, "timeout", "it may be read still"),
    (drip(HEAD + b"Content-Length: 100\r\n\r\n" + b" " * 100, every_seconds=LATE / 10), NoAnswer, "timeout", "the deadline is a total one"),
    (raw(HEAD + b"Content-Length: 100\r\n\r\n{"), NoAnswer, "protocol", "cut off"),
    (raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"ord"), NoAnswer, "protocol", "cut off"),
    (raw(b"SSH-2.0-OpenSSH\r\n"), NoAnswer, "protocol", "not HTTP"),
    (reply("200 OK", PLACED[:-5]), BadAnswer, "not_json", "truncated JSON"),
    (reply("200 OK", b"<html>fine</html>"), BadAnswer, "not_json", "not JSON"),
    (reply("200 OK", b"[" * 100_000), BadAnswer, "not_json", "nested without end"),
    (reply("200 OK", b'{"order": {"id": ' + b"9" * 10_000 + b"}}"), BadAnswer, "not_json", "a number without end"),
    (reply("200 OK", b'{"order": {}}'), BadAnswer, "unexpected_shape", "no order id"),
    (reply("204 No Content", b""), BadAnswer, "not_json", "no body"),
    (reply("200 OK", b" " * (4 * 1024 * 1024 + 1)), BadAnswer, "too_large", "more than 4 MiB"),
    (reply("200 OK", gzip.compress(PLACED), "Content-Encoding: gzip"), BadAnswer, "undecodable", "compressed, which was not asked for"),
    (reply("200 OK", PLACED, "Content-Encoding: identity, br"), BadAnswer, "undecodable", "said to be compressed"),
    (raw(b"HTTP/1.0 200 OK\r\n\r\n" + PLACED[:-1]), BadAnswer, "not_json", "cut off, and no length tells"),
    (reply("200 OK", PLACED + PLACED), BadAnswer, "not_json", "two documents"),
    (reply("200 OK", PLACED + b"<!-- took 3 ms -->"), BadAnswer, "not_json", "something after the document"),
    (raw(ONE + b"<!-- took 3 ms -->"), BadAnswer, "several_answers", "something after the answer"),
    (raw(ONE + ONE), BadAnswer, "several_answers", "twice: which one is it?"),
    (raw(NONE + ONE), BadAnswer, "several_answers", "refused, and then not"),
    (raw(ONE + NONE), BadAnswer, "several_answers", "not refused, and then it is"),
    (flood(HEAD, b"X-More: and more\r\n" * 1000), NoAnswer, "protocol", "a head without end"),
    (flood(HEAD + b"\r\n", b" " * 1000), BadAnswer, "too_large", "a body without end"),
    (flood(b"", CONTINUE * 1000), NoAnswer, "protocol", "heads without end before the answer's own"),
    (flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 1000), BadAnswer, "too_large", "more frames than there is in them"),
    (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + ONE), NoAnswer, "protocol", "nobody asked for another protocol"),
    (reply("302 Found", b"", "Location: /elsewhere"), Refused, "status_302", "redirects are not followed"),
    (reply("401 Unauthorized", ECHO), Refused, "status_401", "and no secret is told"),
    (reply("404 Not Found", b""), NotFound, "status_404", "a class of its own"),
    (reply("422 Unprocessable Entity", ECHO), Refused, "status_422", "and no secret is told"),
    (reply("500 Internal Server Error", b"<h1>" + CALLBACK.encode() + b"</h1>"), Refused, "status_500", "an HTML page"),
    (raw(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\n<html>"), Refused, "status_502", "the status says it all"),
]  # fmt: skip


@pytest.mark.parametrize(("behaviour", "kind_of", "kind", "reason"), ROWS)
async def test_how_a_placement_can_fail(
    behaviour: Behaviour, kind_of: type[CloudPressError], kind: str, reason: str
) -> None:
    timeout_seconds = LATE if kind == "timeout" else 10
    async with misbehaving(behaviour) as server, client(server.url, timeout_seconds) as cloudpress:
        with pytest.raises(CloudPressError) as caught:
            await place(cloudpress)
        assert len(server.requests) == 1, "it is sent once"
    error = caught.value
    assert (type(error), error.kind) == (kind_of, kind), reason
    told = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(vars(error))
    assert "s3cr3t" not in told
    assert error.__cause__ is None
    assert error.__context__ is None


async def test_a_closed_port_is_not_sent() -> None:
    async with client("http://127.0.0.1:9") as cloudpress:
        with pytest.raises(NotSent) as caught:
            await place(cloudpress)
    assert caught.value.kind == "connect"


async def test_a_name_that_does_not_exist_is_not_sent() -> None:
    async with client("http://cloudpress.invalid") as cloudpress:
        with pytest.raises(NotSent):
            await place(cloudpress)


async def test_a_server_without_tls_is_not_sent() -> None:
    async with (
        misbehaving(silence) as server,
        client(server.url.replace("http://", "https://"), LATE * 4) as cloudpress,
    ):
        with pytest.raises(NotSent):
            await place(cloudpress)


async def test_no_time_left_is_not_sent() -> None:
    async with misbehaving(reply("200 OK", b"{}")) as server, client(server.url) as cloudpress:
        with pytest.raises(NotSent):
            await cloudpress.task(1, timeout_seconds=0)
        assert server.requests == []


@pytest.mark.parametrize("base", ["", "/", "/api", "/api/"])
async def test_what_is_sent(base: str) -> None:
    async with misbehaving(reply("201 Created", PLACED)) as server, client(server.url + base) as cloudpress:
        await place(cloudpress)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /api/orders HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert headers["authorization"] == f"token {TOKEN}"
    assert headers["x-auth-account"] == "acct"
    assert headers["accept"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["cache-control"] == "no-cache"
    assert headers["host"] == server.url.removeprefix("http://")
    assert json.loads(body) == {
        "site": {"name": "Site", "variant": "vanilla"},
        "callback": {"authorization": CALLBACK, "url": "http://127.0.0.1/v1/callbacks/1"},
    }


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 7", 7.0),
        ("Retry-After: soon", None),
        ("Retry-After: -1", None),
        ("Retry-After: 999999999", 86_400.0),
        ("Retry-After: Mon, 23 Nov 2026 12:00:30 GMT\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT", 30.0),
        ("X-Nothing: 1", None),
    ],
)
async def test_retry_after(header: str, seconds: float | None) -> None:
    async with (
        misbehaving(reply("429 Too Many Requests", b"", header)) as server,
        client(server.url) as cloudpress,
    ):
        with pytest.raises(Refused) as caught:
            await cloudpress.about()
    assert caught.value.retry_after_seconds == seconds


async def test_a_refusal_has_cloudpress_own_errors() -> None:
    body = json.dumps({"errors": ["Missing X-Auth-Account", "a\nb"]}).encode()
    async with misbehaving(reply("400 Bad Request", body)) as server, client(server.url) as cloudpress:
        with pytest.raises(Refused) as caught:
            await cloudpress.about()
    assert (caught.value.status, caught.value.errors) == (400, ("Missing X-Auth-Account", "a b"))


OWN = b'{"errors": ["Slow down"]}'


@pytest.mark.parametrize(
    ("behaviour", "is_own", "reason"),
    [
        (reply("429 Too Many Requests", OWN), True, "as the provider's page has it"),
        (reply("401 Unauthorized", b'{"errors": ["a", "b"], "request": 1}'), True, "what is beside it does no harm"),
        (reply("404 Not Found", OWN), True, "whatever the status"),
        (reply("401 Unauthorized", b"<html>Sign in</html>"), False, "a proxy's page"),
        (reply("403 Forbidden", b"Forbidden"), False, "a proxy's text"),
        (reply("413 Content Too Large", b""), False, "nothing"),
        (reply("401 Unauthorized", b'{"message": "Unauthorized"}'), False, "a gateway's JSON"),
        (reply("401 Unauthorized", b'{"errors": []}'), False, "no word of CloudPress's"),
        (reply("401 Unauthorized", b'{"errors": [{"message": "no"}]}'), False, "another API's JSON"),
        (reply("401 Unauthorized", b'{"errors": "no"}'), False, "not the documented form"),
        (reply("401 Unauthorized", b'["errors"]'), False, "no object"),
        (reply("401 Unauthorized", OWN + b"<!-- -->"), False, "something comes after it"),
        (raw(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n" + OWN), False, "it did not come whole"),
        (raw(b"HTTP/1.0 401 Unauthorized\r\n\r\n" + OWN), True, "whole JSON was not cut off, even without a length"),
        (raw(b"HTTP/1.0 401 Unauthorized\r\n\r\n" + OWN[:-1]), False, "cut off without a length"),
    ],
)  # fmt: skip
async def test_a_refusal_tells_whether_it_has_cloudpress_own_form(
    behaviour: Behaviour, *, is_own: bool, reason: str
) -> None:
    async with misbehaving(behaviour) as server, client(server.url) as cloudpress:
        with pytest.raises(Refused) as caught:
            await place(cloudpress)
    assert caught.value.is_own_form is is_own, reason


@pytest.mark.parametrize(
    ("first", "is_known", "reason"),
    [
        (reply("200 OK", b'{"task": {"id": 1, "status": "OK"}}'), True, "it answered as CloudPress does"),
        (reply("401 Unauthorized", OWN), True, "it refused as CloudPress does"),
        (reply("200 OK", b"<html>Welcome</html>"), False, "something else answers there"),
        (reply("503 Service Unavailable", b"down"), False, "something else answers there"),
    ],
)
async def test_a_refusal_tells_whether_cloudpress_was_heard_there_before(
    first: Behaviour, *, is_known: bool, reason: str
) -> None:
    behaviours = iter([first, reply("503 Service Unavailable", b"<html>", "Retry-After: 7")])

    async def one_after_the_other(request: bytes, writer: asyncio.StreamWriter) -> None:
        await next(behaviours)(request, writer)

    async with misbehaving(one_after_the_other) as server, client(server.url) as cloudpress:
        with contextlib.suppress(CloudPressError):
            await cloudpress.task(1)
        with pytest.raises(Refused) as caught:
            await place(cloudpress)
    refused = caught.value
    assert (refused.status, refused.retry_after_seconds, refused.is_own_form) == (503, 7.0, False)
    assert refused.is_known_host is is_known, reason


async def test_reads_keep_their_connection_and_placements_have_one_each() -> None:
    async with misbehaving(reply("200 OK", PLACED)) as server, client(server.url) as cloudpress:
        for _ in range(3):
            await cloudpress.order("o-1")
        assert server.connections == 1
        for _ in range(3):
            await place(cloudpress)
        assert server.connections == 4


@pytest.mark.parametrize("order_id", ["", ".", "..", "x" * 256])
async def test_an_id_cannot_leave_its_place(order_id: str) -> None:
    async with client("http://127.0.0.1:9") as cloudpress:
        with pytest.raises(ValueError, match="cannot be a segment"):
            await cloudpress.order(order_id)


async def test_an_id_is_quoted() -> None:
    async with (
        misbehaving(reply("200 OK", b'{"order": {"id": "../../a?b#c"}}')) as server,
        client(server.url) as cloudpress,
    ):
        await cloudpress.order("../../a?b#c")
    assert server.requests[0].startswith(b"GET /api/orders/..%2F..%2Fa%3Fb%23c HTTP/1.1")


@pytest.mark.parametrize("read", ["order", "site", "task"])
async def test_an_answer_about_something_else_is_none(read: str) -> None:
    """A cache or a connection that lost count gives another order's answer, and with it another order's site."""
    ids = {"order": "O-1", "site": "s-1", "task": 1}
    others = {"order": "o-2", "site": "s-2", "task": 2}

    async def ask(told: object) -> object:
        body = json.dumps({read: {"id": told, "status": "OK"}}).encode()
        async with misbehaving(reply("200 OK", body)) as server, client(server.url) as cloudpress:
            return (await getattr(cloudpress, read)(ids[read])).value.id

    assert await ask(ids[read]) == ids[read]
    assert await ask(str(ids[read]).lower()) == (1 if read == "task" else str(ids[read]).lower())
    with pytest.raises(BadAnswer) as caught:
        await ask(others[read])
    assert caught.value.kind == "anothers"


async def test_the_raw_answer_and_its_date_are_kept() -> None:
    body = b'{"order": {"id": "1", "tomorrow": true}}'
    async with (
        misbehaving(reply("200 OK", body, "Date: Mon, 23 Nov 2026 12:00:00 GMT")) as server,
        client(server.url) as cloudpress,
    ):
        answer = await cloudpress.order("1")
    assert answer.raw == body
    assert answer.date is not None
    assert answer.date.isoformat() == "2026-11-23T12:00:00+00:00"
    assert "tomorrow" not in repr(answer)
