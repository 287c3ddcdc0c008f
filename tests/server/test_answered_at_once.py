"""What an application can answer by the head alone is answered without a task, and as if it had one."""

from collections.abc import AsyncIterator

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from app.api.answers import Answer
from app.server.embedded import serving
from app.server.exchange import Exchange
from app.server.listening import listen
from tests.server.conftest import Answering, answer, answered, closed, connected

HOST = b" HTTP/1.1\r\nHost: presshook.test\r\n"
REFUSED = b"refused"


def post(path: str, body: bytes = b"body") -> bytes:
    """Return a request as it is sent."""
    return b"POST " + path.encode() + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body


class Choosing(Answering):
    """Refuses `/refused` at once; breaks at `/unknown`, and with answers that are none."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[str] = []

    def choose(self, scope: Scope) -> ASGIApp:
        """Return what answers."""
        self.chosen.append(scope["path"])
        match scope["path"]:
            case "/refused":
                return Answer(401, [(b"content-length", b"%d" % len(REFUSED))], REFUSED)
            case "/short":
                return Answer(401, [(b"content-length", b"%d" % (len(REFUSED) + 1))], REFUSED)
            case "/unsaid":
                return Answer(401, [], REFUSED)
            case "/garbled":
                return Answer(401, [(b"content-length", b"0"), (b"x", b"a\r\nb: c")], b"")
            case "/unknown":
                raise ZeroDivisionError("s3cr3t")
        return super().__call__

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            raise NotImplementedError
        await self.choose(scope)(scope, receive, send)


@pytest.fixture
def choosing() -> Choosing:
    return Choosing()


@pytest.fixture
async def url(choosing: Choosing) -> AsyncIterator[str]:
    async with serving(choosing, listen("127.0.0.1", 0)) as address:
        yield address


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that were answered by a task."""
    seen: list[str] = []
    run = Exchange.run

    async def note(self: Exchange, app: ASGIApp) -> None:
        seen.append(self._scope["path"])
        await run(self, app)

    monkeypatch.setattr(Exchange, "run", note)
    return seen


async def test_one_after_the_other_on_one_connection(url: str, choosing: Choosing, tasks: list[str]) -> None:
    async with connected(url) as (reader, writer):
        for _ in range(3):
            writer.write(post("/refused"))
            assert (await answer(reader))[::2] == (401, REFUSED)
            writer.write(post("/"))
            await answered(reader)
    assert choosing.chosen == ["/refused", "/"] * 3, "asked once for each"
    assert tasks == ["/"] * 3


async def test_of_many_that_are_sent_ahead_each_is_answered_in_its_turn(url: str, tasks: list[str]) -> None:
    async with connected(url, *[post("/refused"), post("/")] * 50) as (reader, _writer):
        for _ in range(50):
            assert (await answer(reader))[::2] == (401, REFUSED)
            await answered(reader)
    assert tasks == ["/"] * 50


async def test_who_sends_many_ahead_waits_with_everybody_else(url: str, choosing: Choosing) -> None:
    async with connected(url, post("/refused") * 3000) as (reader, _), connected(url) as (other, writer):
        await answer(reader)
        before = len(choosing.chosen)
        writer.write(post("/"))
        await answered(other)
        assert len(choosing.chosen) - before < 1000
        for _ in range(2999):
            assert (await answer(reader))[0] == 401


async def test_what_comes_without_its_body_is_parted_with(url: str, tasks: list[str]) -> None:
    head, body = post("/refused")[:-4], b"body"
    async with connected(url, head) as (reader, writer):
        status, headers, told = await answer(reader)
        assert (status, headers.get("connection"), told) == (401, "close", REFUSED)
        writer.write(body)
        assert await closed(reader)
    assert tasks == []


async def test_a_body_that_cannot_be_read_is_refused_alone(
    url: str, choosing: Choosing, tasks: list[str]
) -> None:
    broken = b"POST /refused" + HOST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"
    async with connected(url, broken) as (reader, _):
        assert (await answer(reader))[0] == 400
        assert await closed(reader)
    assert (choosing.chosen, tasks) == (["/refused"], [])


async def test_the_answer_before_one_that_cannot_be_read(url: str) -> None:
    async with connected(url, post("/refused") + b"no request\r\n\r\n") as (reader, _):
        assert (await answer(reader))[0] == 401
        assert (await answer(reader))[0] == 400
        assert await closed(reader)


async def test_a_head_is_answered_without_a_body(url: str) -> None:
    async with connected(url, b"HEAD /refused" + HOST + b"\r\n") as (reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b"401" in head
        assert b"content-length: %d" % len(REFUSED) in head
        writer.write(post("/"))
        await answered(reader)


async def test_what_breaks_in_the_choice_ends_the_connection_and_tells_no_secret(url: str) -> None:
    with capture_logs() as logged:
        async with connected(url, post("/unknown")) as (reader, _):
            assert (await answer(reader))[0] == 500
            assert await closed(reader)
    assert [line["event"] for line in logged] == ["exchange_broken"]
    assert "s3cr3t" not in str(logged)


@pytest.mark.parametrize("path", ["/garbled", "/short", "/unsaid"])
async def test_what_is_no_whole_answer_is_not_sent(url: str, path: str) -> None:
    with capture_logs() as logged:
        async with connected(url, post(path)) as (reader, _):
            assert await closed(reader)
    assert [line["event"] for line in logged] == ["exchange_broken"]
