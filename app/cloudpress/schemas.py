"""What is sent to CloudPress and what it answers, as values.

Each answer has a `from_document` that takes the parsed JSON and raises pydantic's `ValidationError`.
Statuses are kept exactly as they came, in any letter case, known or not. What is not modelled here is
not lost: callers store the whole answer.
"""

from contextlib import suppress
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from app.cloudpress.fields import (
    Flag,
    Id,
    Ids,
    Name,
    Port,
    Secret,
    ShownAddress,
    Status,
    StatusText,
    TaskId,
    Text,
    Time,
    TooManyError,
    WebAddress,
    mapping,
)

# A page of the list is asked for with 100. Whoever ignores that may show more, but not all there is.
MAX_ORDERS_ON_PAGE = 5000
MAX_TASKS_OF_ORDER = 100
MAX_CATALOG_ENTRIES = 1000

Part = TypeVar("Part", bound="Schema")


class Schema(BaseModel):
    """Immutable; fields that nobody listed are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class SiteOrder(Schema):
    """The site that is ordered; what is None is not sent."""

    name: str
    variant: str
    location: str | None = None
    plan: str | None = None
    return_url: str | None = None


class TaskRef(Schema):
    """A task as an order names it; without a status it is one whose state is unknown."""

    id: TaskId
    status: Status = ""


class SiteRef(Schema):
    """The site that is linked to an order."""

    id: Id
    name: Text = None


class NamedItem(Schema):
    """A location that can be ordered."""

    id: Id
    name: Text = None


class Product(NamedItem):
    """A plan that can be ordered."""

    description: Text = None


class About(Schema):
    """What the account can order, and whom CloudPress takes us for."""

    version: Text = None
    logged_in_as: Name = None
    account_scoped: Flag = None
    locations: tuple[NamedItem, ...] = ()
    products: tuple[Product, ...] = ()

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Read `/api/about`; an entry that has no id cannot be ordered and is passed over."""
        fields = _object(document)
        locations = _usable(NamedItem, _bounded(fields, "locations", MAX_CATALOG_ENTRIES))
        products = _usable(Product, _bounded(fields, "products", MAX_CATALOG_ENTRIES))
        return cls.model_validate({**fields, "locations": locations, "products": products})


class Placed(Schema):
    """The answer to a placed order.

    Only the order's id is required: an answer that names an order which costs money is not thrown
    away because something beside the id is odd.
    """

    order_id: Id
    order_status: StatusText = None
    task: TaskRef | None = None
    payment_url: WebAddress = None
    odd_payment_url: Text = None
    """What CloudPress gave instead of an http(s) URL: never to be shown as one."""
    asks_for_payment: bool = False

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Read the answer to `POST /api/orders`."""
        fields = _object(document)
        order = mapping(fields.get("order"))
        return cls(
            order_id=order.get("id"),
            order_status=order.get("status"),
            task=_part(TaskRef, fields.get("task")),
            **_payment_url(order, fields),
        )


class OrderSummary(Schema):
    """An order as the list shows it. It has neither name nor site."""

    id: Id
    status: StatusText = None
    created_at: Time = None
    variant: Name = None
    product: Name = None
    location: Name = None
    account_id: Text = None

    @classmethod
    def list_from_document(cls, document: object) -> tuple[Self, ...]:
        """Read a page of `/api/orders`; one entry without an id spoils it.

        A look-up concludes from what is *not* in the list, so nothing of it may be passed over.
        """
        entries = _OBJECTS.validate_python(_bounded(_object(document), "orders", MAX_ORDERS_ON_PAGE))
        return tuple(cls.model_validate({**entry, **_account_id(entry)}) for entry in entries)


class OrderDetails(OrderSummary):
    """An order by itself, with its tasks and the site once one is linked."""

    payment_url: WebAddress = None
    odd_payment_url: Text = None
    """What CloudPress gave instead of an http(s) URL: never to be shown as one."""
    asks_for_payment: bool = False
    tasks: tuple[TaskRef, ...] = ()
    site: SiteRef | None = None

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Read `/api/orders/:id`; one task without an id spoils it: all of an order's tasks count."""
        fields = _object(document)
        order = mapping(fields.get("order"))
        return cls.model_validate(
            {
                **order,
                **(_account_id(fields) or _account_id(order)),
                **_payment_url(order, fields),
                "tasks": _bounded(fields, "tasks", MAX_TASKS_OF_ORDER) or (),
                "site": _part(SiteRef, fields.get("site")),
            }
        )


class Task(Schema):
    """A task, with the ids of what it worked on."""

    id: TaskId
    status: Status
    name: Text = None
    title: Text = None
    start_on: Time = None
    end_on: Time = None
    site_ids: Ids = ()
    order_ids: Ids = ()
    account_ids: Ids = ()

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Read `/api/tasks/:id`."""
        task = mapping(_object(document).get("task"))
        ids = {f"{name}_ids": task.get(f"{name}s") for name in ("site", "order", "account")}
        return cls.model_validate({**task, **ids})


class Ssh(Schema):
    """How to log in to a site; the password is hidden from its representation."""

    ipaddr: Text = None
    username: Text = None
    password: Secret = None
    port: Port = None


class Site(Schema):
    """A site's details."""

    id: Id
    name: Text = None
    primary_domain: Name = None
    location: Name = None
    region: Name = None
    package: Name = None
    php_version: Text = None
    domain_cname: Text = None
    ssh: Ssh | None = None
    created_at: Time = None
    updated_at: Time = None

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Read `/api/sites/:id`."""
        site = mapping(_object(document).get("site"))
        return cls.model_validate({**site, "ssh": _part(Ssh, site.get("ssh"))})


_OBJECT = TypeAdapter(dict[str, object])
_OBJECTS = TypeAdapter(list[dict[str, object]])
_WEB_ADDRESS = TypeAdapter[str](ShownAddress)


def _object(document: object) -> dict[str, object]:
    return _OBJECT.validate_python(document)


def _part(schema: type[Part], value: object) -> Part | None:
    """Read an optional part of an answer; None if it is missing or not what it should be."""
    with suppress(ValidationError):
        return schema.model_validate(value)
    return None


def _bounded(fields: dict[str, object], name: str, most: int) -> object:
    """Return a field; if it is a list, one of a length that is worth reading.

    Cut, it would tell that something is not there.

    Raises:
        TooManyError: it is longer.
    """
    value = fields.get(name)
    if isinstance(value, list) and len(value) > most:
        raise TooManyError(name, most)
    return value


def _usable(schema: type[Part], entries: object) -> list[Part]:
    parts = (_part(schema, entry) for entry in (entries if isinstance(entries, list) else []))
    return [part for part in parts if part is not None]


def _account_id(fields: dict[str, object]) -> dict[str, object]:
    account = mapping(fields.get("account"))
    return {"account_id": account["id"]} if "id" in account else {}


def _payment_url(*places: dict[str, object]) -> dict[str, object]:
    """Find the payment URL under either spelling (provider page: `payment_ur`); nothing if it is empty."""
    found = [fields[key] for fields in places for key in ("payment_url", "payment_ur") if fields.get(key)]
    for value in found:
        with suppress(ValidationError):
            return {"payment_url": _WEB_ADDRESS.validate_python(value), "asks_for_payment": True}
    return {"odd_payment_url": found[0], "asks_for_payment": True} if found else {}
