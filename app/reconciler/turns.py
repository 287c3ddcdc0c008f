"""Bounds how many requests of an account are in flight, and how many of its passes are about to ask.

What passes write is written together, and costs each of them the less the more there are. So more passes may
be about to ask than may ask at once: each has its turn, writes its intent if it is to place an order, and
waits for its request's place. But a pass is cut off between the two where the process dies, and what it was
to place is in doubt then. So there are only as many turns as lead to a request within a moment, by how long
CloudPress has taken lately: where it is slow, as many as there are requests.

Besides, more passes are claimed than have a turn, so that none of those is left untaken.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.cloudpress import NotSent

# For each request that may be in flight: how many passes of an account may be under way, and how many more
# may have their turn where CloudPress is quick, each of them with a pass besides those.
PASSES_FOR_A_REQUEST = 4
MOST_WAITING = 4
# For how long a pass that has its turn is to wait for its request's place.
WAIT_SECONDS = 0.25
# How much the latest request counts for how long they take.
LATEST_COUNTS = 0.125


class Account:
    """The turns and the requests of one account."""

    def __init__(self, requests: int) -> None:
        """Let as many requests be in flight."""
        self._most_requests = requests
        self.requests = asyncio.Semaphore(requests)
        self.turns = asyncio.Semaphore(requests)
        self._open_turns = requests
        """How many turns there are, taken or not. It follows `most_turns`."""
        self._request_seconds: float | None = None
        """How long a request takes, by those that have ended."""

    @property
    def most_turns(self) -> int:
        """How many passes may have their turn."""
        waiting = 0
        if self._request_seconds is not None:
            soon = WAIT_SECONDS * self._most_requests
            waiting = int(min(soon / max(self._request_seconds, 1e-6), MOST_WAITING * self._most_requests))
        return self._most_requests + waiting

    @property
    def most_passes(self) -> int:
        """How many passes may be under way."""
        return self.most_turns + (PASSES_FOR_A_REQUEST - 1) * self._most_requests

    def end_turn(self) -> None:
        """Let another pass have the turn, unless there are fewer by now."""
        if self._open_turns > self.most_turns:
            self._open_turns -= 1
        else:
            self.turns.release()

    def end_request(self, seconds: float) -> None:
        """Let another pass ask. `seconds` is how long the request took."""
        self.requests.release()
        before = seconds if self._request_seconds is None else self._request_seconds
        self._request_seconds = before + (seconds - before) * LATEST_COUNTS
        while self._open_turns < self.most_turns:
            self._open_turns += 1
            self.turns.release()


class Turn:
    """A pass's turn to ask: taken before all that it asks or intends, and left after its last request."""

    def __init__(self, account: Account) -> None:
        """Wait in line for a turn of the account's; `take` does it."""
        self._account = account
        self._is_taken = False
        self._asks_since: float | None = None

    async def take(self) -> None:
        """Wait until the pass may be about to ask."""
        await self._account.turns.acquire()
        self._is_taken = True

    def leave(self) -> None:
        """Let another pass have its turn, unless that was done before."""
        if self._is_taken:
            self._is_taken = False
            self._account.end_turn()

    async def begin_request(self, patience_seconds: float) -> None:
        """Wait until the pass may ask, for so long at most; `end_request` has to follow.

        Raises:
            NotSent: others have asked all the time.
        """
        if self._account.requests.locked():
            try:
                async with asyncio.timeout(patience_seconds):
                    await self._account.requests.acquire()
            except TimeoutError:
                raise NotSent("no time was left to ask CloudPress", kind="no_time") from None
        else:
            await self._account.requests.acquire()
        self._asks_since = asyncio.get_running_loop().time()

    def end_request(self) -> None:
        """Let another pass ask."""
        if self._asks_since is not None:
            seconds = asyncio.get_running_loop().time() - self._asks_since
            self._asks_since = None
            self._account.end_request(seconds)

    @asynccontextmanager
    async def asking(self, patience_seconds: float) -> AsyncIterator[None]:
        """Have a request's place for a block. `NotSent` as `begin_request`."""
        await self.begin_request(patience_seconds)
        try:
            yield
        finally:
            self.end_request()


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
