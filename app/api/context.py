"""What requests work with, wired once when the service starts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from app.api.problems import Problem
from app.config import Settings
from app.db import Database
from app.secrets import CallbackSecrets
from app.signals import Signals


class CannotAsk(Exception):
    """CloudPress could not be asked."""


@dataclass(frozen=True)
class Context:
    """What requests work with.

    `is_migrated` asks the database whether it has this release's tables, and raises if it is away.
    `cloudpress_has` asks whether an account has a CloudPress order, and raises `CannotAsk`.
    """

    settings: Settings
    db: Database
    signals: Signals
    callback_secrets: CallbackSecrets
    is_migrated: Callable[[], Awaitable[bool]]
    cloudpress_has: Callable[[str, str], Awaitable[bool]]
    known_migrated: asyncio.Event = field(default_factory=asyncio.Event)

    async def require_migrated(self) -> None:
        """Raise a 503 problem while the database is behind this release; asked no more once it is not."""
        if self.known_migrated.is_set():
            return
        if not await self.is_migrated():
            raise Problem(
                503,
                "database-behind",
                "The database is behind this release and nothing was changed: run `presshook migrate`.",
            )
        self.known_migrated.set()


def get_context(request: Request) -> Context:
    """Return the service's context."""
    return cast("Context", request.app.state.context)


async def require_migrated(context: "ContextDep") -> None:
    """Let no request reach a database that is behind this release."""
    await context.require_migrated()


ContextDep = Annotated[Context, Depends(get_context)]
