"""Each request is answered in a context of its own: what is set in one, the next does not know."""

from contextvars import ContextVar

from starlette.types import Receive, Scope, Send

from app.server.embedded import serving
from app.server.listening import listen
from tests.server.conftest import answer, connected

WHOSE: ContextVar[str] = ContextVar("whose", default="nobody's")
GET = b"GET / HTTP/1.1\r\nhost: presshook.test\r\n\r\n"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with whose a request is before anybody has said so, and say it."""
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
        return
    told = WHOSE.get().encode()
    WHOSE.set("somebody's")
    headers = [(b"content-length", b"%d" % len(told))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": told})


async def test_a_request_that_is_sent_ahead_does_not_know_whose_the_one_before_was() -> None:
    async with (
        serving(application, listen("127.0.0.1", 0)) as url,
        connected(url, GET * 3) as (reader, writer),
    ):
        assert [(await answer(reader))[2] for _ in range(3)] == [b"nobody's"] * 3
        writer.write(GET)
        assert (await answer(reader))[2] == b"nobody's"
