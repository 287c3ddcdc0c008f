"""The service's own checks over HTTP: what they found last, who works, and to look now."""

import asyncio
from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from app.api.auth import AdmissionDep, WholeReader
from app.api.context import ContextDep, require_migrated
from app.api.problems.documented import documented
from app.api.problems.problem import Problem
from app.db.models import CheckResult, Replica
from app.db.sharing import for_all
from app.maintenance.doctor.checks import Check
from app.maintenance.doctor.repeating import Repeating, begin_round

AGAIN_AFTER = timedelta(seconds=30)
Outcome = Literal["ok", "warning", "failed", "skipped"]

router = APIRouter(prefix="/v1/checks", tags=["checks"], dependencies=[Depends(require_migrated)])


class CheckBody(BaseModel):
    """What a check found last."""

    id: Check
    means: str = Field(description="What is so where all is well.")
    outcome: Outcome
    detail: str
    checked_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, check: Check, result: CheckResult) -> "CheckBody":
        """Show what a check found."""
        return cls(
            id=check,
            means=check.sentence,
            outcome=cast("Outcome", result.outcome),
            detail=result.detail,
            checked_at=result.checked_at,
            changed_at=result.changed_at,
        )


class ReplicaBody(BaseModel):
    """A process of the service; `works` tells whether it moves orders."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    role: str
    host: str
    version: str
    works: bool
    started_at: datetime
    seen_at: datetime


class CheckList(BaseModel):
    """What the checks found last, in the order in which they have to be right, and which processes live."""

    data: list[CheckBody]
    replicas: list[ReplicaBody]


@router.get("", operation_id="listChecks", responses=documented(401, 403, 422, 503))
async def list_checks(grant: WholeReader, context: ContextDep) -> CheckList:
    """Read what the checks found that the service repeats every hour. For keys that see every account.

    `presshook doctor` makes all of them, CloudPress included.
    """
    del grant
    async with context.db.read() as session:
        found = {result.id: result for result in await session.scalars(select(CheckResult))}
        replicas = (await session.scalars(select(Replica).order_by(Replica.started_at))).all()
    return CheckList(
        data=[CheckBody.of(check, found[str(check)]) for check in Check if str(check) in found],
        replicas=[ReplicaBody.model_validate(replica) for replica in replicas],
    )


@router.post("/run", operation_id="runChecks", responses=documented(401, 403, 409, 422, 503))
async def run_checks(grant: WholeReader, admission: AdmissionDep, context: ContextDep) -> CheckList:
    """Run the checks now, as the service does every hour. For keys that see every account."""
    if not await begin_round(context.db, AGAIN_AFTER):
        raise Problem(409, "just-looked", "The checks ran a moment ago, or are running. Wait half a minute.")
    with for_all():
        await Repeating(context.settings, context.db, asyncio.Event()).round()
    await admission.check()  # the key may have ended while the checks ran
    return await list_checks(grant, context)
