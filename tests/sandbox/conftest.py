"""What the tests of the sandbox share."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request, Response

from app.server.embedded import serving
from app.server.listening import listen
from tests.sandbox.client import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that answers as it is told, 204 otherwise."""
    app = FastAPI()

    @app.post("/callback")
    async def callback(request: Request) -> Response:
        taken.received.append((request.headers.get("authorization", ""), await request.body()))
        return Response(status_code=taken.answers.pop(0) if taken.answers else 204)

    async with serving(app, listen("127.0.0.1", 0)) as url:
        taken = Receiver(f"{url}/callback")
        yield taken
