"""Sends callbacks, at least once, with the provider's own retries."""

import asyncio
import json
from typing import Any

import httpx
import structlog

from app.sandbox import wire
from app.sandbox.retries import next_try_seconds
from app.sandbox.state import CallbackTry, Order, now

ANSWER_SECONDS = 30.0
FORGED_AUTHORIZATION = "Bearer forged-by-the-sandbox"
DEPTH = 1000
BODIES = ("flat", "task-id", "ancestor", "empty", "not-json", "bad-utf8", "deep")

log = structlog.get_logger()


def body_of(order: Order, shape: str, *, forged: bool = False) -> bytes:
    """Return a callback's body in one of the shapes that are to be expected; a forged one claims success.

    (provider page: the shape is not documented; these are inferred, or hostile)
    """
    task: dict[str, Any] = wire.task(order)
    if forged:
        task["status"] = "OK"
    shapes: dict[str, bytes] = {
        "task": json.dumps({"task": task}).encode(),
        "flat": json.dumps(task).encode(),
        "task-id": json.dumps({"task_id": order.task.id}).encode(),
        "ancestor": json.dumps(
            {"timestamp": int(now().timestamp()), "success": forged or order.task.status == "OK", "data": []}
        ).encode(),
        "empty": b"",
        "not-json": b"task is done, thank you",
        "bad-utf8": b'{"task": "\xff\xfe"}',
        "deep": b"[" * DEPTH + b"]" * DEPTH,
    }
    return shapes[shape]


def shape_of(order: Order) -> str:
    """Return the shape that an order's faults ask for."""
    return next((shape for shape in BODIES if f"body-{shape}" in order.faults), "task")


class CallbackSender:
    """Sends callbacks until they are answered 2xx or given up."""

    def __init__(self, client: httpx.AsyncClient, *, speed: float) -> None:
        """Send with `client`; the waits between tries are divided by `speed`."""
        self._client = client
        self._speed = speed

    async def deliver(self, order: Order) -> None:
        """Send an order's callback, as its faults have it."""
        if "callback-late" in order.faults:
            await asyncio.sleep(order.faults["callback-late"])
        await self.repeat(order, await self.try_once(order))

    async def try_once(self, order: Order) -> int:
        """Send an order's callbacks for the first time; return how many have to be repeated."""
        if order.callback_url is None or "callback-lost" in order.faults:
            return 0
        if "callback-forged" in order.faults:
            await self.send(order, forged=True)
        copies = 2 if "callback-doubled" in order.faults else 1
        taken = await asyncio.gather(*(self.send(order) for _ in range(copies)))
        return taken.count(False)

    async def repeat(self, order: Order, refused: int) -> None:
        """Repeat callbacks whose first try was not taken, until each is taken or given up."""
        async with asyncio.TaskGroup() as sending:
            for _ in range(refused):
                sending.create_task(self._send_again(order))

    async def _send_again(self, order: Order) -> None:
        elapsed_seconds = 0.0
        while (wait_seconds := next_try_seconds(elapsed_seconds)) is not None:
            await asyncio.sleep(wait_seconds / self._speed)
            elapsed_seconds += wait_seconds
            if await self.send(order):
                return
        log.warning("callback_given_up", order=order.id)

    async def send(self, order: Order, *, forged: bool = False, shape: str | None = None) -> bool:
        """Send a callback once; tell whether it was answered 2xx within 30 s.

        Raises:
            ValueError: the order asked for no callback.
        """
        if order.callback_url is None:
            raise ValueError("the order asked for no callback")
        status: int | None = None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._client.post(
                    order.callback_url,
                    content=body_of(order, shape or shape_of(order), forged=forged),
                    headers={
                        "Authorization": FORGED_AUTHORIZATION if forged else order.callback_authorization,
                        "Content-Type": "application/json",
                        "Accept": "application/json",
                    },
                )
                status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            log.info("callback_failed", order=order.id, error=type(error).__name__)
        order.callback_tries.append(CallbackTry(now(), status, forged=forged))
        log.info("callback", order=order.id, task=order.task.status, answered=status)
        return status is not None and 200 <= status < 300
