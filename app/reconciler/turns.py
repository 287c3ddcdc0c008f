"""Bounds how many requests of an account are in flight, and how many of its passes are about to ask.

What passes write is written together, and costs each of them the less the more there are. So where CloudPress
is quick more passes have their turn than may ask at once, and some of those that are to place an order write
their intents before they have their request's place: as many as will have it within a moment, by how long
CloudPress has taken lately. Where it is slow, or nobody knows, each has its place first: what is intended and
waits is in doubt if the process dies, and the longer it waits the older is what its intent was decided on.

Besides, more passes are claimed than have a turn, so that none of those is left untaken.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.cloudpress import CloudPressError, NotSent

# For each request that may be in flight: how many passes of an account may be under way, and how many more
# may have their turn where CloudPress is quick, each of them with a pass besides those.
PASSES_FOR_A_REQUEST = 4
MOST_WAITING = 4
# For how long a request is to wait for its place, and how long it waits at most once it is intended.
WAIT_SECONDS = 0.25
MOST_WAIT_SECONDS = 1.0
# How much the latest request counts for how long they take.
LATEST_COUNTS = 0.125


class Account:
    """The turns and the requests of one account."""

    def __init__(self, requests: int) -> None:
        """Let as many requests be in flight."""
        self._most_requests = requests
        self.requests = asyncio.Semaphore(requests)
        self._turns = 0
        """How many are taken. They become fewer than there may be as those who have one leave it."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        """Those who wait for a turn."""
        self._post_seconds: float | None = None
        self._read_seconds: float | None = None
        """How long those take, by the ones that have ended."""
        self.in_line = 0
        """How many wait for a request's place, or are about to."""

    @property
    def most_turns(self) -> int:
        """How many passes may have their turn."""
        return self._most_requests + min(self._soon(), MOST_WAITING * self._most_requests)

    @property
    def most_passes(self) -> int:
        """How many passes may be under way."""
        return self.most_turns + (PASSES_FOR_A_REQUEST - 1) * self._most_requests

    @property
    def is_quick(self) -> bool:
        """Whether who lines up now will be able to place an order within a moment."""
        return self._post_seconds is not None and self.in_line < self._soon()

    def _soon(self) -> int:
        """Return how many requests are begun within a moment, besides those in flight."""
        slower = max(self._post_seconds or 0.0, self._read_seconds or 0.0)
        if slower == 0.0:
            return 0
        return int(WAIT_SECONDS * self._most_requests / slower)

    async def take_turn(self) -> None:
        """Wait until one more pass may have its turn; `end_turn` has to follow."""
        if not self._waiting and self._turns < self.most_turns:
            self._turns += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove(turn)
            else:
                self.end_turn()  # it was given at the same moment
            raise

    def end_turn(self) -> None:
        """Let another pass have the turn, unless there are fewer by now."""
        self._turns -= 1
        self._give_turns()

    def _give_turns(self) -> None:
        for turn in [it for it in self._waiting if not it.done()]:
            if self._turns >= self.most_turns:
                return
            self._waiting.remove(turn)
            turn.set_result(None)
            self._turns += 1

    def learn(self, seconds: float, *, is_post: bool) -> None:
        """Learn how long a request took."""
        before = self._post_seconds if is_post else self._read_seconds
        learnt = max(1e-6, seconds if before is None else before + (seconds - before) * LATEST_COUNTS)
        if is_post:
            self._post_seconds = learnt
        else:
            self._read_seconds = learnt
        self._give_turns()

    def was_slow(self) -> None:
        """Learn that a request waited in vain: nothing is intended ahead until some were answered quickly."""
        self._post_seconds = max(self._post_seconds or 0.0, 2 * WAIT_SECONDS * self._most_requests)


class Turn:
    """A pass's turn to ask: taken before all that it asks or intends, and left after its last request."""

    def __init__(self, account: Account) -> None:
        """Wait in line for a turn of the account's; `take` does it."""
        self._account = account
        self._is_taken = False
        self._is_in_line = False
        self._asks_since: float | None = None

    async def take(self) -> None:
        """Wait until the pass may be about to ask."""
        await self._account.take_turn()
        self._is_taken = True

    def leave(self) -> None:
        """Let another pass have its turn, unless that was done before."""
        if self._is_taken:
            self._is_taken = False
            self._account.end_turn()

    def line_up(self) -> bool:
        """Line up for a request's place, if one will be free within a moment; tell whether it did.

        `begin_request` or `leave_line` has to follow.
        """
        if self._account.is_quick:
            self._enter_line()
        return self._is_in_line

    def _enter_line(self) -> None:
        self._is_in_line = True
        self._account.in_line += 1

    def leave_line(self) -> None:
        """Ask for no place any more."""
        if self._is_in_line:
            self._is_in_line = False
            self._account.in_line -= 1

    @property
    def has_place(self) -> bool:
        """Whether the pass may ask now."""
        return self._asks_since is not None

    async def begin_request(self, patience_seconds: float) -> None:
        """Wait until the pass may ask, for so long at most; `end_request` has to follow.

        Raises:
            NotSent: others have asked all the time.
        """
        if not self._is_in_line:
            self._enter_line()
        try:
            await self._acquire(patience_seconds)
        finally:
            self.leave_line()
        self._asks_since = asyncio.get_running_loop().time()

    async def _acquire(self, patience_seconds: float) -> None:
        places = self._account.requests
        if not places.locked():
            await places.acquire()
            return
        try:
            async with asyncio.timeout(patience_seconds):
                await places.acquire()
        except TimeoutError:
            raise NotSent("no time was left to ask CloudPress", kind="no_time") from None

    def was_slow(self) -> None:
        """Have nothing be intended ahead for now."""
        self._account.was_slow()

    def end_request(self, *, is_post: bool, counts: bool) -> None:
        """Let another pass ask. It `counts` for how long requests take if CloudPress was asked."""
        if self._asks_since is None:
            return
        seconds = asyncio.get_running_loop().time() - self._asks_since
        self._asks_since = None
        self._account.requests.release()
        if counts:
            self._account.learn(seconds, is_post=is_post)

    @asynccontextmanager
    async def asking(self, patience_seconds: float) -> AsyncIterator[None]:
        """Have a request's place for a block. `NotSent` as `begin_request`."""
        await self.begin_request(patience_seconds)
        counts = False
        try:
            yield
            counts = True
        except CloudPressError as error:
            counts = not isinstance(error, NotSent)
            raise
        finally:
            self.end_request(is_post=False, counts=counts)


class Turns:
    """The turns of all accounts."""

    def __init__(self, requests: int) -> None:
        """Let as many requests of an account be in flight."""
        self._requests = requests
        self._accounts: dict[str, Account] = {}

    def of(self, account_id: str) -> Turn:
        """Return a turn, which has not been taken, among those of an account."""
        return Turn(self._accounts.setdefault(account_id, Account(self._requests)))

    def most_passes(self, account_id: str) -> int:
        """Return how many of an account's passes may be under way."""
        return (self._accounts.get(account_id) or Account(self._requests)).most_passes

    def forget(self, account_id: str) -> None:
        """Keep nothing of an account of which no pass is under way."""
        self._accounts.pop(account_id, None)
