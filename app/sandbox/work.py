"""The work behind orders: tasks that take time, and the callbacks at their end."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import cache

import httpx
import structlog

from app.sandbox.callbacks import CallbackSender
from app.sandbox.config import SandboxConfig
from app.sandbox.state import Order, State

UNLISTED_STATUS = "DEFROSTING"

log = structlog.get_logger()


@cache
def _trusted() -> ssl.SSLContext:
    """Return whose certificates are trusted: a process reads them once, and not for every sandbox in it.

    An authority of one's own before the service is named as everywhere, in `SSL_CERT_FILE`.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if named := os.environ.get("SSL_CERT_FILE"):
        try:
            context.load_verify_locations(named)
        except OSError as error:  # `ssl.SSLError` is one
            log.warning("authority_unread", setting="SSL_CERT_FILE", error=type(error).__name__)
    return context


class Work:
    """Runs tasks in the background."""

    def __init__(self, config: SandboxConfig, state: State) -> None:
        """Prepare; `run` lets it begin."""
        self._config = config
        self._state = state
        self._running: set[asyncio.Task[None]] = set()
        self._sender: CallbackSender | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Work while the block runs; whatever is unfinished at its end is dropped."""
        tls = _trusted()
        async with httpx.AsyncClient(timeout=None, trust_env=False, verify=tls) as client:  # noqa: S113 - bounded by the sender
            self._sender = CallbackSender(client, speed=self._config.callback_speed)
            try:
                yield
            finally:
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)

    @property
    def sender(self) -> CallbackSender:
        """What sends callbacks."""
        if self._sender is None:
            raise RuntimeError("the sandbox does not run")
        return self._sender

    def begin(self, order: Order) -> None:
        """Have an order's task run and end in its own time."""
        self._state.start_task(order)
        self._spawn(self._run_task(order))

    def end(self, order: Order, status: str) -> None:
        """End an order's task now and send the callback."""
        if not order.is_final:
            self._state.finish_task(order, status)
            self._spawn(self.sender.deliver(order))

    def finish(self, order: Order) -> None:
        """End an order's task now as it would have ended by itself."""
        self.end(order, _outcome(order))

    def end_later(self, order: Order, status: str, seconds: float) -> None:
        """End an order's task after some seconds."""
        self._spawn(self._end_later(order, status, seconds))

    async def _end_later(self, order: Order, status: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.end(order, status)

    async def end_before_answer(self, order: Order) -> None:
        """End an order's task and send the callback before the order itself was answered.

        Its other faults apply, but for `callback-late`. Only the first try comes before the answer: a
        receiver that refuses it does not hold the answer up.
        """
        self._state.start_task(order)
        self._state.finish_task(order, _outcome(order))
        self._spawn(self.sender.repeat(order, await self.sender.try_once(order)))

    async def _run_task(self, order: Order) -> None:
        for fault, status in (("task-paused", "PAUSED"), ("task-unknown", UNLISTED_STATUS)):
            if fault in order.faults and not order.is_final:
                order.task.status = status
                await asyncio.sleep(order.faults[fault])
                if not order.is_final:
                    order.task.status = "RUNNING"
        await asyncio.sleep(self._config.task_seconds)
        self.end(order, _outcome(order))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


def _outcome(order: Order) -> str:
    if "task-failed" in order.faults:
        return "FAILED"
    return "CANCELLED" if "task-cancelled" in order.faults else "OK"
