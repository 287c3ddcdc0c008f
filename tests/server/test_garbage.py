"""What is left of a request once it is answered: nothing that only the garbage collector could find."""

import gc
from collections.abc import Iterator

import pytest

from app.server.exchange import Exchange
from tests.server.conftest import Answering, answer, connected

REQUESTS = 20


@pytest.fixture
def _uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def kept() -> int:
    """Return how many exchanges there are."""
    return sum(isinstance(each, Exchange) for each in gc.get_objects())


@pytest.mark.usefixtures("_uncollected")
@pytest.mark.parametrize("path", ["/", "/read", "/unsized"])
async def test_an_exchange_ends_with_its_answer(address: str, application: Answering, path: str) -> None:
    sent = f"POST {path} HTTP/1.1\r\nHost: presshook.test\r\nContent-Length: 4\r\n\r\nbody".encode()
    before = kept()
    async with connected(address) as (reader, writer):
        for _ in range(REQUESTS):
            writer.write(sent)
            await answer(reader) if path != "/unsized" else await reader.readuntil(b"0\r\n\r\n")
        application.asked.clear()
        assert kept() - before <= 2, "the last one may be under way"
