"""CloudPress accounts that orders are placed for. A token goes in and never comes out."""

import base64
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.convertors import Convertor, register_url_convertor

from app.accounts.store import (
    AccountChange,
    AccountInUseError,
    UnknownAccountError,
    delete_account,
    find_account,
    find_accounts_after,
    refused_since,
    store_account,
)
from app.api.auth import AccountsWriter, AdmissionDep, OrdersReader
from app.api.bodies.fields import Line, Strict
from app.api.context import CannotAsk, Context, ContextDep, require_migrated
from app.api.problems.documented import documented
from app.api.problems.kinds import invalid_field, not_found
from app.api.problems.problem import Problem
from app.config.values import LONGEST_ACCOUNT_ID, HeaderSecret
from app.db.models import Account
from app.keys.grants import Grant


class OpaqueId(Convertor[str]):
    """An id that is CloudPress's own, at the end of an address: it may hold a `/`, encoded or not."""

    regex = ".+"

    def convert(self, value: str) -> str:
        """Return it as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return it as it is."""
        return value


register_url_convertor("opaque", OpaqueId())

router = APIRouter(prefix="/v1/accounts", tags=["accounts"], dependencies=[Depends(require_migrated)])


AccountId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=LONGEST_ACCOUNT_ID,
        pattern="^[!-~]+$",
        description="CloudPress's id of the account: printable ASCII without spaces.",
    ),
]


class AccountRequest(Strict):
    """An account to be stored."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Rosa's agency", "token": "sandbox-token-2"}]}
    )

    name: Line | None = Field(
        None, description="A name for people. Without one the account keeps what it has; null takes it away."
    )
    token: Annotated[HeaderSecret, Field(max_length=1024)] | None = Field(
        None,
        description="The account's CloudPress API token. Without one the account keeps what it has.",
    )


class AccountAttention(BaseModel):
    """That CloudPress refuses the account's token, so that its orders wait."""

    code: Literal["credentials_refused"] = "credentials_refused"
    since: datetime


class AccountBody(BaseModel):
    """An account."""

    id: str
    name: str | None
    source: Literal["environment", "stored"]
    attention: AccountAttention | None
    created_at: datetime | None
    updated_at: datetime | None


class AccountList(BaseModel):
    """Accounts that the key may see, the environment's first. `next_cursor` leads on, null at the end."""

    data: list[AccountBody]
    next_cursor: str | None


async def require_account(context: Context, grant: Grant, account_id: str | None) -> tuple[str, bool]:
    """Return the account that a request means, the default one if it names none, and whether it is stored.

    Raises:
        Problem: 422 if there is no such account, or not for this key.
    """
    default = context.settings.cloudpress_account_id
    if account_id is None and not grant.may_see(default):
        only = grant.account_ids or frozenset()
        if len(only) != 1:
            raise invalid_field(
                "account_id", "This API key is for other accounts than the default: name one."
            )
        account_id = next(iter(only))
    account_id = account_id or default
    if account_id == default and grant.may_see(default):
        return account_id, False
    known = None
    if grant.may_see(account_id):
        async with context.db.read() as session:
            known = await find_account(session, account_id)
    if known is None:
        raise invalid_field("account_id", "There is no such account, or no API token is configured for it.")
    return account_id, True


@router.get("", operation_id="listAccounts", responses=documented(401, 403, 422, 503))
async def list_accounts(
    grant: OrdersReader,
    context: ContextDep,
    limit: Annotated[int, Query(ge=1, le=100, description="Accounts on a page.")] = 100,
    cursor: Annotated[
        str | None,
        Query(pattern="^[A-Za-z0-9_-]{1,342}$", description="The `next_cursor` of the page before."),
    ] = None,
) -> AccountList:
    """List the accounts that orders can be placed for."""
    default = context.settings.cloudpress_account_id
    is_shown = cursor is None and grant.may_see(default)
    async with context.db.read() as session:
        following = await find_accounts_after(
            session,
            among=grant.account_ids,
            after=None if cursor is None else _read_cursor(cursor),
            limit=limit + 2,  # the environment's may be stored too, and is shown once
        )
        stored = [account for account in following if account.id != default]
        refused = await refused_since(session, [default, *(account.id for account in stored)])
    page = stored[: limit - is_shown]
    shown = [_of_environment(default, refused.get(default))] if is_shown else []
    shown += [_shown(account, refused.get(account.id)) for account in page]
    # With no room for a stored one beside the environment's, the next page begins with the first.
    last = page[-1].id if page else ""
    return AccountList(data=shown, next_cursor=_write_cursor(last) if len(stored) > len(page) else None)


def _write_cursor(account_id: str) -> str:
    """Return the cursor of the place after an account, whose id may be any text."""
    return base64.urlsafe_b64encode(f"{account_id}.".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    """Read a cursor; one that is not of ours leads somewhere, but nowhere that a key may not see."""
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        place = base64.urlsafe_b64decode(padded).decode("ascii")
    except ValueError:
        raise invalid_field("cursor", "This is no `next_cursor` of a page.") from None
    if not place.isprintable():
        raise invalid_field("cursor", "This is no `next_cursor` of a page.")
    return place.removesuffix(".")


@router.get("/{account_id:opaque}", operation_id="getAccount", responses=documented(401, 403, 404, 422, 503))
async def get_account(account_id: AccountId, grant: OrdersReader, context: ContextDep) -> AccountBody:
    """Read an account; `attention` says whether CloudPress refuses its token."""
    if not grant.may_see(account_id):
        raise not_found("account")
    async with context.db.read() as session:
        account = await find_account(session, account_id)
        refused = await refused_since(session, [account_id])
    if account_id == context.settings.cloudpress_account_id:
        return _of_environment(account_id, refused.get(account_id))
    if account is None:
        raise not_found("account")
    return _shown(account, refused.get(account_id))


@router.put(
    "/{account_id:opaque}",
    operation_id="putAccount",
    responses={
        201: {"model": AccountBody, "description": "Stored; it was not known before"},
        **documented(400, 401, 403, 404, 409, 413, 415, 422, 502, 503),
    },
)
async def put_account(
    account_id: AccountId,
    body: AccountRequest,
    response: Response,
    grant: AccountsWriter,
    admission: AdmissionDep,
    context: ContextDep,
) -> AccountBody:
    """Store an account, or change it. A token is stored once CloudPress has accepted it."""
    if not grant.may_see(account_id):
        raise not_found("account")
    _refuse_environments(context, account_id)
    token = body.token.get_secret_value() if body.token else None
    if token is not None:
        async with admission.outlasts_it():
            await _check_token(context, account_id, token)
    change = AccountChange(body.name, token, keeps_name="name" not in body.model_fields_set)
    try:
        stored = await store_account(context.db, account_id, change, by=grant.actor)
    except UnknownAccountError:
        raise invalid_field("token", "A new account needs its CloudPress API token.") from None
    if stored.is_new:
        response.status_code = 201
        response.headers["Location"] = f"/v1/accounts/{quote(account_id, safe='')}"
    if token is not None:
        return _shown(stored.account, None)  # CloudPress has accepted it just now
    async with context.db.read() as session:
        refused = await refused_since(session, [account_id])
    return _shown(stored.account, refused.get(account_id))


@router.delete(
    "/{account_id:opaque}",
    status_code=204,
    operation_id="deleteAccount",
    responses=documented(401, 403, 404, 409, 422, 503),
)
async def remove_account(account_id: AccountId, grant: AccountsWriter, context: ContextDep) -> Response:
    """Forget an account and its token. One with open orders is kept: they need the token."""
    if not grant.may_see(account_id):
        raise not_found("account")
    _refuse_environments(context, account_id)
    try:
        if not await delete_account(context.db, account_id, by=grant.actor):
            raise not_found("account")
    except AccountInUseError as error:
        raise Problem(
            409,
            "account-in-use",
            f"The account has {error.open_orders} open orders. Cancel them, or wait until they are final.",
        ) from None
    return Response(status_code=204)


def _refuse_environments(context: Context, account_id: str) -> None:
    if account_id == context.settings.cloudpress_account_id:
        raise Problem(
            409,
            "account-of-environment",
            "This account is set by CLOUDPRESS_ACCOUNT_ID and CLOUDPRESS_API_TOKEN: change it there.",
        )


async def _check_token(context: Context, account_id: str, token: str) -> None:
    try:
        refusal = await context.cloudpress.refusal_of_token(account_id, token)
    except CannotAsk as error:
        raise Problem(502, "cloudpress-away", f"{error} Nothing was stored; try again later.") from None
    if refusal is not None:
        raise invalid_field(
            "token",
            f"{refusal}: the token is wrong, belongs to another account, or does not allow this address.",
        )


def _of_environment(account_id: str, refused: datetime | None) -> AccountBody:
    return AccountBody(
        id=account_id,
        name=None,
        source="environment",
        attention=AccountAttention(since=refused) if refused else None,
        created_at=None,
        updated_at=None,
    )


def _shown(account: Account, refused: datetime | None) -> AccountBody:
    return AccountBody(
        id=account.id,
        name=account.name,
        source="stored",
        attention=AccountAttention(since=refused) if refused else None,
        created_at=account.created_at,
        updated_at=account.updated_at,
    )
