"""A loop that claims rows that are due, no more than there are free slots, and works on each by itself."""

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Generic, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.errors import DATABASE_AWAY
from app.db.models import Leased
from app.queue.clock_watch import ClockWatch
from app.queue.leases import Claim, Claimed
from app.queue.pausing import pause
from app.queue.signals import Signals

DATABASE_RETRY_SECONDS = 1.0
# When it is looked again at what somebody else had locked: he may end without a word.
LOCKED_RETRY_SECONDS = 1.0
# For how long what another replica has made due is left to it, once it was found taken: first, and at most.
LEAVE_SECONDS = 0.01
LEAVE_CEILING_SECONDS = 0.5

Row = TypeVar("Row", bound=Leased)

log = structlog.get_logger()


class Worker(ABC, Generic[Row]):
    """Any number of replicas may run it on one database."""

    def __init__(
        self, table: type[Row], signals: Signals, *, slots: int, poll_seconds: float, backstop_seconds: float
    ) -> None:
        """Prepare; `run` works on at most `slots` rows at a time.

        `poll_seconds` bounds how long a row waits that another process made due unheard;
        `backstop_seconds` does while PostgreSQL tells of those.
        """
        self._table = table
        self._signals = signals
        self._due = signals.due_of(table)
        self.slots = slots
        self._poll_seconds = poll_seconds
        self._backstop_seconds = backstop_seconds
        self._is_more_due = False
        self._had_no_slot = False
        """Whether the loop came round in vain: whatever it was woken for is still to be claimed."""
        self.watch = ClockWatch()
        self.turned_at = time.monotonic()
        """When the loop last came round."""
        self._wakes_at = math.inf
        """By the event loop's time, when it claims again if nobody wakes it. A claim that begins sees to
        all that is due by then, so what was to wake it before is forgotten."""
        self._alarm: asyncio.TimerHandle | None = None
        self._leave_seconds = 0.0
        """For how long what another replica has made due is left to it."""
        self._is_for_others = False
        """Whether the loop was woken to claim what another replica has made due."""
        signals.heed_if(table, self.is_news)
        signals.on_due_elsewhere(table, self._heed_elsewhere)
        self.running: set[asyncio.Task[None]] = set()
        """The work in flight."""

    @abstractmethod
    async def claim(self, limit: int) -> Claimed[Row]:
        """Claim rows that are due."""

    def is_news(self, accounts: Collection[str | None]) -> bool:
        """Tell whether it is worth a claim that rows of these accounts are due. None is not known whose.

        Where it is not, `is_room_enough` must come to be true by a work's end while more is known to be due.
        """
        return bool(accounts)

    def is_room_enough(self) -> bool:
        """Tell whether a slot that has become free is worth a claim, where more is known to be due."""
        return True

    @abstractmethod
    async def work(self, claim: Claim[Row]) -> None:
        """Work on a claimed row. Whatever escapes is a defect, and ends nothing but this work."""

    @abstractmethod
    async def give_back(self, claim: Claim[Row]) -> None:
        """Release a row that was not worked on to the end, due now, unless it is held no more."""

    async def _work_or_give_back(self, claim: Claim[Row]) -> None:
        try:
            await self.work(claim)
        except asyncio.CancelledError:
            # The process ends. Unless it is given back, the row waits for its lease to run out.
            with suppress(SQLAlchemyError, *DATABASE_AWAY):
                await asyncio.shield(self.give_back(claim))
            raise

    async def run(self, *, grace_seconds: float) -> None:
        """Claim and work until the signals say stop; then let work end within `grace_seconds`."""
        try:
            while not self._signals.stopping.is_set():
                self._due.clear()
                self.turned_at = time.monotonic()
                self._cancel_alarm()
                idle_seconds = await self._claim_and_start()
                wakes_at = asyncio.get_running_loop().time() + idle_seconds
                self._wakes_at = min(self._wakes_at, wakes_at)
                await self._sleep(idle_seconds)
        finally:
            await self._drain(grace_seconds)

    def wake_in(self, seconds: float) -> None:
        """Claim again then, unless the loop does so before that anyway."""
        self._wake_in(seconds, self._due.set)

    def _wake_in(self, seconds: float, wake: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        if at < self._wakes_at and seconds < max(self._poll_seconds, self._backstop_seconds):
            self._cancel_alarm()
            self._alarm, self._wakes_at = loop.call_at(at, wake), at

    def _heed_elsewhere(self) -> None:
        """Claim what another replica has made due, unless that one does.

        It claims at once itself, and all others are told as well: of those that look, all but one find
        nothing. Who found nothing leaves what comes next to the others for a while, twice as long each time;
        who found something does not. So what one replica has no room for, or no worker, another takes.
        """
        self._wake_in(self._leave_seconds, self._wake_for_others)

    def _wake_for_others(self) -> None:
        self._is_for_others = True
        self._due.set()

    def _learn(self, claimed: Claimed[Row]) -> None:
        """Leave more to others, or nothing: by what was found of theirs."""
        if claimed.claims:
            self._leave_seconds = 0.0
        else:
            self._leave_seconds = min(LEAVE_CEILING_SECONDS, max(LEAVE_SECONDS, 2 * self._leave_seconds))

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._wakes_at = None, math.inf

    async def _claim_and_start(self) -> float:
        """Start work on each row that could be claimed; return how long nothing else is due."""
        is_for_others, self._is_for_others = self._is_for_others, False
        free = self.slots - len(self.running)
        poll_seconds = self._backstop_seconds if self._signals.listening else self._poll_seconds
        self._had_no_slot = free == 0
        if self._had_no_slot:
            return poll_seconds
        began = asyncio.get_running_loop().time()
        claimed = None
        with self._signals.outages.heeding(f"claiming {self._table.__tablename__}"):
            claimed = await self.claim(free)
        if claimed is None:
            return DATABASE_RETRY_SECONDS
        if is_for_others:
            self._learn(claimed)
        self._is_more_due = claimed.is_more_due
        for claim in claimed.claims:
            task = asyncio.create_task(self._work_or_give_back(claim), name=f"work {claim.row.id}")
            self.running.add(task)
            task.add_done_callback(self._ended)
        if claimed.is_more_due and (claimed.claims or not self.running):
            # What is due may not have been looked at whole, and nobody may be left whose end wakes the loop.
            return 0.0
        if claimed.is_any_left:
            poll_seconds = min(poll_seconds, LOCKED_RETRY_SECONDS)
        if claimed.next_due_seconds is None:
            return poll_seconds
        # Counted from the claim's beginning: while it was under way the process may have stood still.
        seconds = claimed.next_due_seconds - (asyncio.get_running_loop().time() - began)
        return min(poll_seconds, max(0.0, seconds))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        if self._had_no_slot or (self._is_more_due and self.is_room_enough()):
            self._due.set()  # a slot is free again
        if not task.cancelled() and task.exception() is not None:
            log.error("work_broken", error=type(task.exception()).__name__)

    async def _sleep(self, seconds: float) -> None:
        await pause(seconds, until=self._due)

    async def _drain(self, grace_seconds: float) -> None:
        """Let the work in flight end; what does not end in time is cancelled."""
        running = set(self.running)
        if running:
            await asyncio.wait(running, timeout=grace_seconds)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
