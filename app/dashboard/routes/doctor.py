"""The service's own checks: what they found last, and now."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.auth import AdmissionDep, WholeReader
from app.api.context import ContextDep, require_migrated
from app.api.routes import checks as api
from app.dashboard.desk import desk_of
from app.dashboard.page import Page, back_to

DONE = {"run": "Looked just now."}
router = APIRouter(
    prefix="/ui/doctor", route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)]
)


@router.get("")
async def doctor(
    request: Request, grant: WholeReader, context: ContextDep, done: str | None = None
) -> Response:
    """Show what the checks found last, and who works."""
    found = await api.list_checks(grant, context)
    return desk_of(request).render(
        request, "doctor.html", checks=found.data, replicas=found.replicas, said=DONE.get(done or "")
    )


@router.post("/run")
async def run(grant: WholeReader, admission: AdmissionDep, context: ContextDep) -> Response:
    """Run the checks now, as `POST /v1/checks/run` does."""
    await api.run_checks(grant, admission, context)
    return back_to("/ui/doctor", "run")
