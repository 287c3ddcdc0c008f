"""The loop: claims orders that are due, no more than there are free slots, and runs a pass over each."""

import asyncio
import time
import traceback
from contextlib import suppress
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app import leases
from app.accounts import UnknownAccountError
from app.db import DATABASE_AWAY
from app.leases import Claim
from app.reconciler.passes import run_pass
from app.reconciler.recording import PassResult, put_off
from app.reconciler.surroundings import Surroundings
from app.signals import Signals
from app.states import Attention

SLOTS = 16
POLL_SECONDS = 1.0
# While PostgreSQL tells of other replicas' orders, polling is only the backstop.
BACKSTOP_POLL_SECONDS = 5.0
DATABASE_RETRY_SECONDS = 1.0
NO_TOKEN = Attention(
    "account_unknown",
    "No API token that can be decrypted is stored for the order's CloudPress account: store it (again). "
    "The order goes on by itself.",
)

log = structlog.get_logger()


class Reconciler:
    """The one loop that moves orders. Any number of replicas may run it on one database."""

    def __init__(
        self, world: Surroundings, signals: Signals, *, slots: int = SLOTS, poll_seconds: float = POLL_SECONDS
    ) -> None:
        """Prepare the loop, which runs at most `slots` passes at a time; `run` runs it.

        `poll_seconds` bounds how long an order waits that another process made due unheard.
        """
        self._poll_seconds = poll_seconds
        self._world = world
        self._signals = signals
        self._slots = slots
        self.passes: set[asyncio.Task[None]] = set()
        """The passes in flight."""

    async def run(self, *, grace_seconds: float) -> None:
        """Claim and run until the signals say stop; then let passes end within `grace_seconds`."""
        try:
            while not self._signals.stopping.is_set():
                self._signals.due.clear()
                idle_seconds = await self._claim_and_start()
                await self._sleep(idle_seconds)
        finally:
            await self._drain(grace_seconds)

    async def _claim_and_start(self) -> float:
        """Start a pass over each order that could be claimed; return how long nothing else is due."""
        free = self._slots - len(self.passes)
        poll_seconds = BACKSTOP_POLL_SECONDS if self._signals.listening else self._poll_seconds
        if free == 0:
            return poll_seconds
        try:
            async with self._world.db.write() as tx:
                claimed = await leases.claim(tx, limit=free, lease_seconds=self._world.lease_seconds)
        except (SQLAlchemyError, *DATABASE_AWAY) as error:
            log.error("claim_failed", error=type(error).__name__)
            return DATABASE_RETRY_SECONDS
        for claim in claimed.claims:
            task = asyncio.create_task(self._pass(claim), name=f"pass {claim.order.id}")
            self.passes.add(task)
            task.add_done_callback(self._ended)
        if claimed.next_due_seconds is None:
            return poll_seconds
        return min(poll_seconds, claimed.next_due_seconds)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if len(self.passes) == self._slots:
            self._signals.due.set()  # a slot is free again, and there may be more that is due
        self.passes.discard(task)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._signals.due.wait()

    async def _pass(self, claim: Claim) -> None:
        started = time.monotonic()
        try:
            result = await run_pass(self._world, claim)
        except UnknownAccountError:
            await self._put_off(claim, NO_TOKEN)
        except DATABASE_AWAY as error:
            # The lease runs out by itself, and the order is taken up again when the database is back.
            log.error("pass_failed", order=str(claim.order.id), error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one order that our code chokes on must not stop the others
            # The text of an unforeseen error may hold anything, so only its place is told.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} in {place.name}, {Path(place.filename).name}:{place.lineno}"
            log.error("pass_broken", order=str(claim.order.id), error=where)
            await self._put_off(
                claim, Attention("pass_broken", f"A defect of Presshook ({where}): report it.")
            )
        else:
            self._wake_for(result)
            _log_pass(claim, result, time.monotonic() - started)

    def _wake_for(self, result: PassResult | None) -> None:
        """Wake the loop when the order of an ended pass is due again: it may sleep for longer by now."""
        due_in_seconds = result.due_in_seconds if result else None
        if due_in_seconds is not None and due_in_seconds < max(self._poll_seconds, BACKSTOP_POLL_SECONDS):
            asyncio.get_running_loop().call_later(due_in_seconds, self._signals.due.set)

    async def _put_off(self, claim: Claim, attention: Attention) -> None:
        try:
            await put_off(self._world, claim, attention)
        except (SQLAlchemyError, *DATABASE_AWAY) as error:
            log.error("put_off_failed", order=str(claim.order.id), error=type(error).__name__)

    async def _drain(self, grace_seconds: float) -> None:
        """Let the passes in flight end; those that do not end in time are cancelled."""
        if self.passes:
            await asyncio.wait(self.passes, timeout=grace_seconds)
        for task in self.passes:
            task.cancel()
        await asyncio.gather(*self.passes, return_exceptions=True)


def _log_pass(claim: Claim, result: PassResult | None, seconds: float) -> None:
    if result is None:
        log.info("pass", order=str(claim.order.id), action="lost", duration_ms=round(seconds * 1000))
        return
    log.info(
        "pass",
        order=str(claim.order.id),
        before=result.before,
        after=result.after,
        action=result.action,
        failures=result.failures,
        due_in_seconds=None if result.due_in_seconds is None else round(result.due_in_seconds, 1),
        duration_ms=round(seconds * 1000),
    )
