"""API keys: made, replaced, revoked. The key itself is on one page, once."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.api.auth import KeysWriter
from app.api.context import ContextDep, require_migrated
from app.api.routes import keys as api
from app.api.routes.keys import KeyRequest, MadeKeyBody, RotateRequest
from app.dashboard.desk import desk_of
from app.dashboard.forms import FormDep, as_body
from app.dashboard.page import Page, back_to
from app.dashboard.routes.orders import FieldMoment
from app.keys.grants import Scope

ON_A_PAGE = 50
DONE = {"revoked": "The key is let in no more, and what it had open has ended."}
router = APIRouter(
    prefix="/ui/keys", route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)]
)


class _Until(BaseModel):
    expires_at: FieldMoment | None = None


class _Hours(BaseModel):
    grace_hours: Annotated[int, Query(ge=0, le=720)] = 0


@router.get("")
async def keys(
    request: Request,
    grant: KeysWriter,
    context: ContextDep,
    cursor: UUID | None = None,
    done: str | None = None,
) -> Response:
    """List the keys that may do no more than the one that asks."""
    found = await api.list_keys(grant, context, ON_A_PAGE, cursor)
    return desk_of(request).render(
        request,
        "keys.html",
        keys=found.data,
        older=found.next_cursor,
        scopes=[scope for scope in Scope if scope in grant.scopes],
        accounts=None if grant.account_ids is None else sorted(grant.account_ids),
        said=DONE.get(done or ""),
    )


@router.post("")
async def create(request: Request, grant: KeysWriter, context: ContextDep, form: FormDep) -> Response:
    """Make a key, as `POST /v1/keys` does, and show it this once."""
    until = as_body(_Until, expires_at=form.get("expires_at")).expires_at
    body = as_body(
        KeyRequest,
        name=form.get("name"),
        scopes=form.all("scope"),
        account_ids=(form.get("account_ids") or "").split() or None,
        expires_at=None if until is None else until.isoformat(),
    )
    return _told(request, await api.create_key(body, Response(), grant, context))


@router.post("/{key_id}/rotate")
async def rotate(
    key_id: UUID, request: Request, grant: KeysWriter, context: ContextDep, form: FormDep
) -> Response:
    """Replace a key, as `POST /v1/keys/{id}/rotate` does, and show the new one this once."""
    hours = as_body(_Hours, grace_hours=form.get("grace_hours")).grace_hours
    body = RotateRequest(grace_seconds=hours * 3600)
    return _told(request, await api.rotate(key_id, grant, context, body))


def _told(request: Request, made: MadeKeyBody) -> Response:
    return desk_of(request).render(
        request,
        "shown_once.html",
        is_secret=True,
        what="API key",
        secret=made.key,
        name=made.name,
        back="/ui/keys",
    )


@router.post("/{key_id}/revoke")
async def revoke(key_id: UUID, grant: KeysWriter, context: ContextDep) -> Response:
    """Revoke a key, as `DELETE /v1/keys/{id}` does."""
    await api.revoke(key_id, grant, context)
    return back_to("/ui/keys", "revoked")
