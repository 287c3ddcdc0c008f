"""Bounds how many passes ask CloudPress under one account at a time.

More are claimed than may ask: while some ask, others wait for what they write to be committed, and the more
of them there are the less each one's share of that costs.
"""

import asyncio

PASSES_FOR_A_REQUEST = 4


class Turn:
    """A pass's place among those that ask: taken before its first request, and left after its last."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        """Wait in line for one of `places`; `take` does it."""
        self._places = places
        self._is_taken = False

    async def take(self) -> None:
        """Wait until the pass may ask."""
        await self._places.acquire()
        self._is_taken = True

    def leave(self) -> None:
        """Let another pass ask, unless that was done before."""
        if self._is_taken:
            self._is_taken = False
            self._places.release()


class Turns:
    """The places of all accounts."""

    def __init__(self, requests: int) -> None:
        """Let as many passes of an account ask at a time."""
        self._requests = requests
        self._places: dict[str, asyncio.Semaphore] = {}
        self.passes = requests * PASSES_FOR_A_REQUEST
        """How many of an account's passes may be under way."""

    def of(self, account_id: str) -> Turn:
        """Return a turn, which has not been taken, among those of an account."""
        return Turn(self._places.setdefault(account_id, asyncio.Semaphore(self._requests)))

    def forget(self, account_id: str) -> None:
        """Keep nothing of an account of which no pass is under way."""
        self._places.pop(account_id, None)
