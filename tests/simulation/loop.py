"""An event loop with a virtual clock, which runs what is ready in an order drawn from a seed.

Between two steps of any coroutine any other may run, and time passes only when nothing is ready: then it
jumps to the next timer. While a real socket is waited for (PostgreSQL), it stands still.
"""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

STEP_SECONDS = 1e-6
BLOCK_SECONDS = 0.5


class NumberedTask(asyncio.Task[Any]):
    """A task whose place in a set is that of its making, and not of its address in memory."""

    def __init__(self, number: int, work: Any, **options: Any) -> None:
        """Run `work`."""
        self._number = number
        super().__init__(work, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs one ready callback at a time, drawn by `random`."""

    def __init__(self, random: Random) -> None:
        """Begin at time zero."""
        self._virtual_time = 0.0
        self._random = random
        self.steps = 0
        self.on_step: Callable[[int, float], None] | None = None
        super().__init__()
        numbers = count(1)
        self.set_task_factory(
            lambda loop, work, **options: NumberedTask(next(numbers), work, loop=loop, **options)
        )

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._virtual_time

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        while scheduled and (scheduled[0]._cancelled or scheduled[0]._when <= self._virtual_time):
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            if not timer._cancelled:
                ready.append(timer)
        if not ready:
            waits_for_sockets = len(self._selector.get_map()) > 1  # type: ignore[attr-defined]
            # A thread that ends is heard of by a socket as well, so one is never waited for without end.
            idle = waits_for_sockets or not scheduled
            self._process_events(self._selector.select(BLOCK_SECONDS if idle else 0))  # type: ignore[attr-defined]
            if not ready:
                if scheduled and not waits_for_sockets:
                    self._virtual_time = max(self._virtual_time, scheduled[0]._when)
                return
        if len(ready) > 1:
            ready.rotate(-int(self._random.random() * len(ready)))
        handle = ready.popleft()
        if not handle._cancelled:
            self.steps += 1
            self._virtual_time += STEP_SECONDS
            handle._run()
            if self.on_step is not None:
                self.on_step(self.steps, self._virtual_time)
