"""Whether the key of a request that takes long is still let in when its answer leaves."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from fastapi import Request

from app.api.problems.problem import Problem
from app.keys.authentication import KeyRefusedError
from app.keys.grants import Grant

MOMENT_SECONDS = 0.5
"""A request that takes longer has waited for something, and its key may have ended meanwhile."""


@dataclass
class Admission:
    """That a request was let in, for answers that take long: its key may be let in no more meanwhile."""

    grant: Grant
    _check: Callable[[], Awaitable[Grant]]
    places: int | None = None
    """How many connections the server admits that the request came by, if that is known."""
    is_over: bool = False
    """Whether the key was refused when it was looked at last."""
    waits: bool = False
    """Whether somebody else than the database has been waited for since, however long."""
    _looked_at: float = field(default_factory=time.monotonic)

    @property
    def key_ids(self) -> tuple[UUID, ...]:
        """The key, if it is one that can change while the service runs."""
        return () if self.grant.key_id is None else (self.grant.key_id,)

    async def check(self) -> None:
        """Look whether the key is still let in.

        Raises:
            KeyRefusedError: it is not.
        """
        self.waits, self._looked_at = False, time.monotonic()
        try:
            self.grant = await self._check()
        except KeyRefusedError:
            self.is_over = True
            raise

    async def check_late(self) -> None:
        """Look whether the key is still let in, where it may have ended since it was looked at last.

        Raises:
            KeyRefusedError: it is not.
        """
        is_late = self.waits or time.monotonic() - self._looked_at > MOMENT_SECONDS
        if is_late and self.key_ids:
            await self.check()

    def outlasts_it(self) -> AbstractAsyncContextManager[None]:
        """Refuse what comes after a block that waits for CloudPress, and why it failed, if the key has ended.

        Raises:
            KeyRefusedError: it has.
        """
        return _checked_after(self.check)


@asynccontextmanager
async def _checked_after(check: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    try:
        yield
    except Problem:
        await check()
        raise
    await check()


@asynccontextmanager
async def still_let_in(request: Request) -> AsyncGenerator[None]:
    """Refuse what the block has read, or why it could not, if the request's key has ended meanwhile.

    What the block has done is told all the same: an error would have its client believe that it was not.

    Raises:
        KeyRefusedError: the key has ended.
    """

    async def check() -> None:
        admission: Admission | None = getattr(request.state, "admission", None)
        if admission is not None and request.method == "GET":
            await admission.check_late()

    async with _checked_after(check):
        yield
