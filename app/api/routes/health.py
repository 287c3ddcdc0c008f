"""Whether the service lives, and whether it is ready for work."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.context import ContextDep
from app.api.problems.documented import documented
from app.api.problems.kinds import database_away
from app.db.errors import DATABASE_AWAY
from app.version import VERSION

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """How the service is, and which release it is."""

    status: str = "ok"
    version: str = VERSION


@router.get("/livez", operation_id="livez")
async def livez() -> Health:
    """Tell that the process answers. It says nothing of the database: a restart would not mend that."""
    return Health()


@router.get("/readyz", operation_id="readyz", responses=documented(503))
async def readyz(context: ContextDep) -> Health:
    """Tell whether the database can be reached, is migrated, and lets this process write."""
    try:
        context.known_migrated.clear()
        await context.require_migrated()
        await context.prove_usable()
    except DATABASE_AWAY:
        raise database_away() from None
    return Health()
