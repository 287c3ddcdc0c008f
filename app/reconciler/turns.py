"""Bounds how many passes of an account ask CloudPress at a time, and how many are about to.

More are claimed than may ask: while some ask, others wait for what they write to be committed, and the more
of them there are the less each one's share of that costs. A pass that is to place an order has its turn
before it writes its intent: what is intended and waits is in doubt if the process dies, and the longer it
waits the older is what its intent was decided on. But where turns come round so quickly that it will have one
within a moment, it may line up for one and intend meanwhile, so that many intents are written together.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable

# For each turn: how many passes of an account may be under way, and how many more may be in line.
PASSES_FOR_A_REQUEST = 4
MOST_IN_LINE = 4
# For how long a pass that lines up is to wait for its turn, and how long it waits at most.
WAIT_SECONDS = 0.25
MOST_WAIT_SECONDS = 1.0
# How much the latest turn counts for how long they last.
LATEST_COUNTS = 0.125


class Account:
    """The turns of one account."""

    def __init__(self, requests: int) -> None:
        """Have as many turns."""
        self._most = requests
        self.turns = asyncio.Semaphore(requests)
        self._post_seconds: float | None = None
        self._read_seconds: float | None = None
        """How long the turns last in which an order is placed, and all others, by those that have ended."""
        self.in_line = 0

    @property
    def most_passes(self) -> int:
        """How many passes may be under way."""
        return PASSES_FOR_A_REQUEST * self._most + self._most_in_line()

    @property
    def is_quick(self) -> bool:
        """Whether a pass that lines up now will have its turn within a moment."""
        return self.in_line < self._most_in_line()

    def _most_in_line(self) -> int:
        """Return how many turns begin within a moment, as far as CloudPress was seen to take orders."""
        if self._post_seconds is None:
            return 0
        slower = max(self._post_seconds, self._read_seconds or 0.0, 1e-6)
        return int(min(WAIT_SECONDS * self._most / slower, MOST_IN_LINE * self._most))

    def learn(self, seconds: float, *, is_post: bool) -> None:
        """Learn how long a turn lasted."""
        before = self._post_seconds if is_post else self._read_seconds
        learnt = seconds if before is None else before + (seconds - before) * LATEST_COUNTS
        if is_post:
            self._post_seconds = learnt
        else:
            self._read_seconds = learnt

    def was_slow(self) -> None:
        """Learn that a pass has lined up in vain: none does until some orders were placed quickly."""
        self._post_seconds = max(self._post_seconds or 0.0, 2 * WAIT_SECONDS * self._most)


class Turn:
    """A pass's turn to ask: taken before its first request, and left after its last."""

    def __init__(self, account: Account) -> None:
        """Prepare to wait for a turn of the account's; `take` does it."""
        self._account = account
        self._taken_at: float | None = None
        self.is_in_line = False
        """Whether it is about to be taken by a pass that intends meanwhile."""

    def line_up(self) -> bool:
        """Line up, if that leads to a turn within a moment; tell whether it does."""
        if self._account.is_quick:
            self.is_in_line = True
            self._account.in_line += 1
        return self.is_in_line

    def _leave_line(self) -> None:
        if self.is_in_line:
            self.is_in_line = False
            self._account.in_line -= 1

    async def take(self, patience_seconds: float, *, uptime: Callable[[], float]) -> bool:
        """Wait until the pass may ask, for so long at most; tell whether it may.

        What the machine slept through counts by `uptime`, which goes on meanwhile.
        """
        since = uptime()
        try:
            async with asyncio.timeout(patience_seconds):
                await self._account.turns.acquire()
        except TimeoutError:
            return False
        finally:
            self._leave_line()
        if uptime() - since > patience_seconds:
            self._account.turns.release()
            return False
        self._taken_at = asyncio.get_running_loop().time()
        return True

    def was_slow(self) -> None:
        """Have no pass line up for now."""
        self._account.was_slow()

    def leave(self, *, is_post: bool = False, counts: bool = True) -> None:
        """Let another pass ask, and be in line no more, unless that was done before.

        A turn `counts` for how long turns last, unless nothing was asked in it.
        """
        self._leave_line()
        if self._taken_at is None:
            return
        seconds = asyncio.get_running_loop().time() - self._taken_at
        self._taken_at = None
        self._account.turns.release()
        if counts:
            self._account.learn(seconds, is_post=is_post)


class Turns:
    """The turns of all accounts."""

    def __init__(self, requests: int) -> None:
        """Let as many passes of an account ask at a time."""
        self._accounts: defaultdict[str, Account] = defaultdict(lambda: Account(requests))
        self._unknown = Account(requests)
        """Any of which no pass is under way."""

    def of(self, account_id: str) -> Turn:
        """Return a turn, which has not been taken, among those of an account."""
        return Turn(self._accounts[account_id])

    def most_passes(self, account_id: str) -> int:
        """Return how many of an account's passes may be under way."""
        return self._accounts.get(account_id, self._unknown).most_passes

    def forget(self, account_id: str) -> None:
        """Keep nothing of an account of which no pass is under way."""
        self._accounts.pop(account_id, None)
