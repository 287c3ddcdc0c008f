"""API keys over HTTP. A key can make and change only keys that may do no more than itself."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api.auth import KeysWriter
from app.api.bodies.fields import Line, Moment, Strict
from app.api.context import Context, ContextDep, require_migrated
from app.api.problems.documented import documented
from app.api.problems.kinds import invalid_field, not_found
from app.api.problems.problem import Problem
from app.db.models import ApiKey
from app.keys.changing import (
    BeyondOwnKeyError,
    KeyExpiredError,
    MadeKey,
    RotationUnderWayError,
    TooManyKeysError,
    make_key,
    revoke_key,
    rotate_key,
)
from app.keys.finding import find_key, find_keys_within
from app.keys.grants import Grant, NewKey, Scope
from app.keys.names import is_reserved

MAX_GRACE_SECONDS = 30 * 24 * 3600

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[Depends(require_migrated)])


def _not_reserved(name: str) -> str:
    if is_reserved(name):
        raise ValueError("is reserved: timelines would not tell this key from another")
    return name


class KeyRequest(Strict):
    """A key to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "shop", "scopes": ["orders:read", "orders:write"]},
                {
                    "name": "Rosa's agency",
                    "scopes": ["orders:read", "credentials:read"],
                    "account_ids": ["sandbox-account-2"],
                    "expires_at": "2099-01-01T00:00:00Z",
                },
            ]
        }
    )

    name: Annotated[Line, AfterValidator(_not_reserved)] = Field(
        description="Who uses it; timelines show this name."
    )
    scopes: Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=20)] = (
        Field(description="What it may do.")
    )
    account_ids: Annotated[list[Line], Field(min_length=1, max_length=100)] | None = Field(
        None, description="The only accounts that exist for it; every account if not given."
    )
    expires_at: Moment | None = Field(None, description="When it stops working; never if not given.")


class RotateRequest(Strict):
    """How a key is rotated."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"grace_seconds": 3600}]})

    grace_seconds: Annotated[float, Field(ge=0, le=MAX_GRACE_SECONDS, allow_inf_nan=False)] = Field(
        0, description="How long the key before it goes on working."
    )


class KeyBody(BaseModel):
    """A key, without the key itself."""

    id: UUID
    name: str
    start: str = Field(description="Its first characters, to recognise it by.")
    scopes: list[str]
    account_ids: list[str] | None
    created_at: datetime
    rotated_at: datetime | None
    former_until: datetime | None = Field(description="Until when the key before it goes on working.")
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class MadeKeyBody(KeyBody):
    """A key that was just made or rotated, with the key itself, which is shown this once."""

    key: str


class KeyList(BaseModel):
    """Keys, the newest first. `next_cursor` leads on to older ones, null at the end."""

    data: list[KeyBody]
    next_cursor: str | None


def _shown(key: ApiKey) -> KeyBody:
    return KeyBody.model_validate(key, from_attributes=True)


def _told(made: MadeKey) -> MadeKeyBody:
    return MadeKeyBody(**_shown(made.stored).model_dump(), key=made.key)


def _beyond(error: BeyondOwnKeyError) -> Problem:
    return Problem(403, "beyond-own-key", str(error))


async def _find(context: Context, grant: Grant, key_id: UUID) -> ApiKey:
    async with context.db.read() as session:
        key = await find_key(session, key_id)
    if key is None or key.revoked_at is not None or not grant.includes(key):
        raise not_found("API key")
    return key


@router.get("", operation_id="listKeys", responses=documented(401, 403, 422, 503))
async def list_keys(
    grant: KeysWriter,
    context: ContextDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Keys on a page.")] = 50,
    cursor: Annotated[UUID | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> KeyList:
    """List the keys that may do no more than the one that asks."""
    async with context.db.read() as session:
        found = await find_keys_within(session, grant, before=cursor, limit=limit + 1)
    page = [_shown(key) for key in found[:limit]]
    return KeyList(data=page, next_cursor=str(page[-1].id) if len(found) > limit else None)


@router.post(
    "",
    status_code=201,
    operation_id="createKey",
    responses=documented(400, 401, 403, 409, 413, 415, 422, 503),
)
async def create_key(
    body: KeyRequest, response: Response, grant: KeysWriter, context: ContextDep
) -> MadeKeyBody:
    """Make a key. It is shown this once; what is stored is its hash."""
    async with context.db.read() as session:
        now = await context.db.now(session)
    if body.expires_at is not None and body.expires_at <= now:
        raise invalid_field("expires_at", "This moment has passed.")
    new = NewKey(
        body.name,
        tuple(body.scopes),
        None if body.account_ids is None else tuple(body.account_ids),
        body.expires_at,
    )
    try:
        made = await make_key(context.db, new, by=grant)
    except BeyondOwnKeyError as error:
        raise _beyond(error) from None
    except TooManyKeysError as error:
        raise Problem(409, "too-many-keys", str(error)) from None
    response.headers["Location"] = f"/v1/keys/{made.stored.id}"
    return _told(made)


@router.get("/{key_id}", operation_id="getKey", responses=documented(401, 403, 404, 422, 503))
async def get_key(key_id: UUID, grant: KeysWriter, context: ContextDep) -> KeyBody:
    """Read a key's properties, never the key."""
    return _shown(await _find(context, grant, key_id))


@router.post(
    "/{key_id}/rotate",
    operation_id="rotateKey",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 422, 503),
)
async def rotate(
    key_id: UUID, grant: KeysWriter, context: ContextDep, body: RotateRequest | None = None
) -> MadeKeyBody:
    """Replace a key by a new one with the same rights and identity.

    While the grace of an earlier rotation runs, another one with a grace is refused: it would end that one. A
    key that was replaced may replace none that lasts longer, its successor neither.
    """
    await _find(context, grant, key_id)
    grace_seconds = (body or RotateRequest(grace_seconds=0)).grace_seconds
    try:
        made = await rotate_key(context.db, key_id, grace_seconds=grace_seconds, by=grant)
    except BeyondOwnKeyError as error:
        raise _beyond(error) from None
    except KeyExpiredError as error:
        raise Problem(409, "key-expired", str(error)) from None
    except RotationUnderWayError as error:
        raise Problem(409, "rotation-under-way", str(error)) from None
    if made is None:
        raise not_found("API key")  # it was revoked just now
    return _told(made)


@router.delete(
    "/{key_id}", status_code=204, operation_id="revokeKey", responses=documented(401, 403, 404, 422, 503)
)
async def revoke(key_id: UUID, grant: KeysWriter, context: ContextDep) -> Response:
    """Revoke a key: it is let in no more, from the next request on."""
    await _find(context, grant, key_id)
    try:
        await revoke_key(context.db, key_id, by=grant)
    except BeyondOwnKeyError as error:
        raise _beyond(error) from None
    return Response(status_code=204)
