"""What CloudPress tells of an order, for people who compare it with one of ours. Never a secret."""

from dataclasses import dataclass
from datetime import datetime

from app.cloudpress import CloudPressError, NotFound, OrderDetails
from app.cloudpress.protocol import Provider


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


async def tell_order(provider: Provider, account_id: str, cloudpress_order_id: str) -> ToldOrder | None:
    """Ask CloudPress what it has of an order; None if it shows the account no such order.

    Raises:
        CloudPressError: that is not to be had.
    """
    try:
        details = (await provider.order(cloudpress_order_id)).value
    except (NotFound, ValueError):
        return None
    if details.account_id not in {None, account_id}:
        return None
    return ToldOrder(
        status=details.status,
        created_at=details.created_at,
        variant=details.variant,
        location=details.location,
        product=details.product,
        site_id=details.site.id if details.site else None,
        site_name=await _name(provider, details),
        awaits_payment=details.asks_for_payment,
        tasks=tuple(ToldTask(task.id, task.status) for task in details.tasks),
    )


async def _name(provider: Provider, details: OrderDetails) -> str | None:
    """Return the name of the order's site, which the order may not tell; None where it is not to be had."""
    if details.site is None or details.site.name is not None:
        return details.site.name if details.site else None
    try:
        return (await provider.site(details.site.id)).value.name
    except (CloudPressError, ValueError):
        return None
