"""What can be ordered, and the check of new orders against it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from app.api.auth import CloudPressDep, OrdersReader
from app.api.bodies.fields import Line
from app.api.bodies.orders import VARIANTS, SiteRequest
from app.api.context import CannotAsk, Catalog, Context, ContextDep, Item, require_migrated
from app.api.problems.documented import documented
from app.api.problems.kinds import invalid_field, not_found
from app.api.problems.problem import Problem
from app.api.routes.accounts import require_account

LIFETIME_SECONDS = 300
# How many of what may be ordered an error names.
MOST_NAMES = 20

router = APIRouter(prefix="/v1/catalog", tags=["catalog"], dependencies=[Depends(require_migrated)])


class LocationBody(BaseModel):
    """Where a site can be."""

    id: str
    name: str | None


class ProductBody(BaseModel):
    """A plan that a site can have."""

    id: str
    name: str | None
    description: str | None


class CatalogBody(BaseModel):
    """What an account can order, as CloudPress told at `fetched_at`."""

    account_id: str
    locations: list[LocationBody]
    products: list[ProductBody]
    variants: list[str]
    fetched_at: datetime


@router.get("", operation_id="getCatalog", responses=documented(401, 403, 404, 422, 502, 503))
async def get_catalog(
    response: Response,
    grant: OrdersReader,
    context: ContextDep,
    cloudpress: CloudPressDep,
    account_id: Annotated[
        Line | None, Query(description="The account; the default one if not given.")
    ] = None,
) -> CatalogBody:
    """Read what can be ordered now: locations, products, variants. CloudPress is asked every 5 minutes."""
    try:
        account, _ = await require_account(context, grant, account_id)
    except Problem:
        if account_id is None:
            raise  # which account is meant has to be said
        raise not_found("account") from None
    try:
        catalog = await cloudpress.catalog(account)
    except CannotAsk as error:
        raise Problem(502, "cloudpress-away", f"{error} Try again later.") from None
    left = max(0, LIFETIME_SECONDS - int(catalog.age_seconds))
    response.headers["Cache-Control"] = f"private, max-age={left}"
    return CatalogBody(
        account_id=account,
        locations=[LocationBody.model_validate(it, from_attributes=True) for it in catalog.about.locations],
        products=[ProductBody.model_validate(it, from_attributes=True) for it in catalog.about.products],
        variants=list(VARIANTS),
        fetched_at=catalog.fetched_at,
    )


def check_against_catalog(context: Context, account_id: str, site: SiteRequest) -> None:
    """Refuse a location or a plan that a fresh catalog does not hold. Without one everything passes.

    Raises:
        Problem: 422, naming what is allowed.
    """
    catalog: Catalog | None = context.cloudpress.fresh_catalog(account_id)
    if catalog is None:
        return
    _check("site.location", site.location, catalog.about.locations)
    _check("site.plan", site.plan, catalog.about.products)


def _check(field: str, value: str | None, items: Iterable[Item]) -> None:
    known = list(items)
    # The provider's page tells of names; an id and another letter case may do as well, so they pass.
    allowed = {word.casefold() for item in known for word in (item.id, item.name) if word}
    if value is None or not known or value.casefold() in allowed:
        return
    names = sorted(item.name or item.id for item in known)
    more = f" and {len(names) - MOST_NAMES} more (GET /v1/catalog)" if len(names) > MOST_NAMES else ""
    raise invalid_field(field, f"CloudPress offers: {', '.join(names[:MOST_NAMES])}{more}.")
