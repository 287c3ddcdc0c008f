"""What a CloudPress order's site is called: the order may link a site and not tell its name."""

from collections.abc import Awaitable, Callable

from app.cloudpress.client import Answer
from app.cloudpress.schemas import OrderDetails, Site


async def name_of_site(
    details: OrderDetails, read_site: Callable[[str], Awaitable[Answer[Site]]]
) -> str | None:
    """Return the name of an order's site, asked for by `read_site` where the order links one without a name.

    None where nobody tells it: no site is linked, or it tells no name.

    Raises:
        NotFound: a site is linked, and not shown.
        CloudPressError: CloudPress could not be asked.
    """
    if details.site is None or details.site.name is not None:
        return details.site.name if details.site else None
    try:
        return (await read_site(details.site.id)).value.name
    except ValueError:
        return None
