"""CloudPress says what it was given for an order; neither the API nor the timeline nor the log repeats it."""

import asyncio
import base64
import json
from urllib.parse import quote

import pytest

from tests.cloudpress.server import misbehaving
from tests.harness import run_presshook
from tests.settings import CLOUDPRESS_TOKEN


async def test_a_refused_cancel_that_repeats_the_callback_value(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    values: list[str] = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        if head.startswith(b"POST"):
            values.append(json.loads(body)["callback"]["authorization"].removeprefix("Bearer "))
        told = f"{values[0]} {quote(values[0])} {CLOUDPRESS_TOKEN}"
        packed = base64.b64encode(f"Authorization: Bearer {values[0]}".encode()).decode()
        order = {
            "id": "o-1",
            "status": f"odd {told}",
            "payment_url": "https://pay.example",
            "variant": "vanilla",
        }
        document: object = {
            "order": order,
            "tasks": [{"id": 1, "status": told}],
            "task": {"id": 1, "status": told},
        }
        if head.startswith(b"DELETE"):
            document = {"errors": [f"not for {told}", packed]}
        text = json.dumps(document).encode()
        status = b"422 Unprocessable Content" if head.startswith(b"DELETE") else b"200 OK"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(text), text))
        await writer.drain()

    async with misbehaving(answer) as server, run_presshook(database_url, server.url) as presshook:
        order_id = (await presshook.order("Site")).json()["id"]
        await presshook.client.post(f"/v1/orders/{order_id}/refresh")
        headers = {"Prefer": "wait=10"}
        refused = await presshook.client.delete(f"/v1/orders/{order_id}", headers=headers)
        assert refused.status_code == 409
        assert "[redacted]" in refused.text
        events = await presshook.client.get(f"/v1/orders/{order_id}/events", params={"limit": 100})
        told = [refused.text, events.text, (await presshook.client.get(f"/v1/orders/{order_id}")).text]
    told += capsys.readouterr()
    packed = base64.b64encode(values[0].encode()).decode()[4:-4]
    for text in told:
        for secret in (values[0], quote(values[0]), CLOUDPRESS_TOKEN, packed):
            assert secret not in text
