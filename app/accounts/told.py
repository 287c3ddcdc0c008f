"""What CloudPress tells of an order, for people who compare it with one of ours. Never a secret."""

from dataclasses import dataclass
from datetime import datetime

from app.cloudpress import CloudPressError, NotFound, OrderDetails
from app.cloudpress.protocol import Provider
from app.cloudpress.site_names import name_of_site


@dataclass(frozen=True)
class ToldTask:
    """A task, by CloudPress's own word."""

    id: int
    status: str


@dataclass(frozen=True)
class ToldOrder:
    """A CloudPress order, by CloudPress's own words; None is what it does not tell."""

    status: str | None
    created_at: datetime | None
    variant: str | None
    location: str | None
    product: str | None
    site_id: str | None
    site_name: str | None
    awaits_payment: bool
    tasks: tuple[ToldTask, ...]


async def find_shown(provider: Provider, account_id: str, cloudpress_order_id: str) -> OrderDetails | None:
    """Ask CloudPress for an order; None if it shows the account no such order.

    Raises:
        CloudPressError: that is not to be had.
    """
    try:
        details = (await provider.order(cloudpress_order_id)).value
    except (NotFound, ValueError):
        return None
    return details if details.account_id in {None, account_id} else None


async def tell_order(provider: Provider, account_id: str, cloudpress_order_id: str) -> ToldOrder | None:
    """Ask CloudPress what it has of an order; None if it shows the account no such order.

    Raises:
        CloudPressError: that is not to be had.
    """
    details = await find_shown(provider, account_id, cloudpress_order_id)
    if details is None:
        return None
    try:
        site_name = await name_of_site(details, provider.site)
    except CloudPressError:
        site_name = None
    return ToldOrder(
        status=details.status,
        created_at=details.created_at,
        variant=details.variant,
        location=details.location,
        product=details.product,
        site_id=details.site.id if details.site else None,
        site_name=site_name,
        awaits_payment=details.asks_for_payment,
        tasks=tuple(ToldTask(task.id, task.status) for task in details.tasks),
    )
