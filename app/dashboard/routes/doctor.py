"""The service's own checks: what they found last, and now."""

import asyncio
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from starlette.responses import Response

from app.api.auth import MetricsReader
from app.api.context import ContextDep, require_migrated
from app.api.problems import Problem
from app.dashboard.desk import desk_of
from app.dashboard.page import Page, back_to
from app.db.models import CheckResult, Replica
from app.keys import Grant
from app.maintenance.doctor.checks import Check
from app.maintenance.doctor.repeating import Repeating, begin_round

AGAIN_AFTER = timedelta(seconds=30)
DONE = {"run": "Looked just now."}
router = APIRouter(
    prefix="/ui/doctor", route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)]
)


async def _whole(grant: MetricsReader) -> Grant:
    """Let in who may read what the service measures, and sees every account."""
    if grant.account_ids is not None:
        raise Problem(
            403, "beyond-own-key", "This concerns the whole service, and this API key is for some accounts."
        )
    return grant


Whole = Annotated[Grant, Depends(_whole)]


@router.get("")
async def doctor(request: Request, grant: Whole, context: ContextDep, done: str | None = None) -> Response:
    """Show what the checks found last, and who works."""
    del grant
    async with context.db.read() as session:
        found = {result.id: result for result in await session.scalars(select(CheckResult))}
        replicas = (await session.scalars(select(Replica).order_by(Replica.started_at))).all()
    checks = [(check, found.get(str(check))) for check in Check if str(check) in found]
    return desk_of(request).render(
        request, "doctor.html", checks=checks, replicas=replicas, said=DONE.get(done or "")
    )


@router.post("/run")
async def run(grant: Whole, context: ContextDep) -> Response:
    """Run the checks now, which this process does as it does every hour."""
    del grant
    if not await begin_round(context.db, AGAIN_AFTER):
        raise Problem(409, "just-looked", "The checks ran a moment ago, or are running. Wait half a minute.")
    await Repeating(context.settings, context.db, asyncio.Event()).round()
    return back_to("/ui/doctor", "run")
