"""What the sandbox consists of, for its routes."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.sandbox.faults import FaultPlan
from app.sandbox.placing import Placing
from app.sandbox.state import State
from app.sandbox.work import Work


@dataclass(frozen=True)
class Parts:
    """The parts of one running sandbox. `accounts` maps tokens to account ids."""

    accounts: dict[str, str]
    state: State
    plan: FaultPlan
    work: Work
    placing: Placing


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]
