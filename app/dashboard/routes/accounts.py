"""CloudPress accounts. A token goes in and never comes out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from app.api.auth import AccountsWriter, AdmissionDep, OrdersReader
from app.api.context import ContextDep, require_migrated
from app.api.problems.kinds import invalid_field
from app.api.routes import accounts as api
from app.api.routes.accounts import AccountId, AccountRequest
from app.dashboard.desk import desk_of
from app.dashboard.forms import Form, FormDep, as_body
from app.dashboard.page import Page, back_to

ON_A_PAGE = 50
DONE = {
    "stored": "The account is stored: CloudPress has accepted its token.",
    "removed": "The account is forgotten.",
}
router = APIRouter(
    prefix="/ui/accounts", route_class=Page, include_in_schema=False, dependencies=[Depends(require_migrated)]
)
_ID: TypeAdapter[str] = TypeAdapter(Annotated[AccountId, ...])


@router.get("")
async def accounts(
    request: Request,
    grant: OrdersReader,
    context: ContextDep,
    cursor: Annotated[str | None, Query(pattern="^[A-Za-z0-9_-]{1,342}$")] = None,
    done: str | None = None,
) -> Response:
    """List the accounts."""
    found = await api.list_accounts(grant, context, ON_A_PAGE, cursor)
    return desk_of(request).render(
        request, "accounts.html", accounts=found.data, more=found.next_cursor, said=DONE.get(done or "")
    )


@router.post("")
async def store(
    grant: AccountsWriter, admission: AdmissionDep, context: ContextDep, form: FormDep
) -> Response:
    """Store an account, or change it, as `PUT /v1/accounts/{id}` does."""
    body = as_body(AccountRequest, name=form.get("name"), token=form.get("token"))
    await api.put_account(_account_id(form), body, Response(), grant, admission, context)
    return back_to("/ui/accounts", "stored")


@router.post("/remove")
async def remove(grant: AccountsWriter, context: ContextDep, form: FormDep) -> Response:
    """Forget an account, as `DELETE /v1/accounts/{id}` does."""
    await api.remove_account(_account_id(form), grant, context)
    return back_to("/ui/accounts", "removed")


def _account_id(form: Form) -> str:
    try:
        return _ID.validate_python(form.get("id") or "")
    except ValidationError:
        raise invalid_field("id", "CloudPress's id of the account: printable ASCII without spaces.") from None
