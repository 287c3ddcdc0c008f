"""The framework's limit: a callback's header is compared, and nothing else is done."""

import hmac
import os
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Request, Response

EXPECTED = os.environ.get("EXPECTED", "Bearer expected")
app = FastAPI()


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Answer."""
    return {"status": "ready"}


@app.post("/v1/callbacks/{order_id}", status_code=204)
async def callback(order_id: str, request: Request, authorization: Annotated[str, Header()] = "") -> Response:
    """Answer a callback, of which nothing is kept."""
    if not order_id or not hmac.compare_digest(authorization.encode(), EXPECTED.encode()):
        raise HTTPException(401)
    await request.body()
    return Response(status_code=204)
