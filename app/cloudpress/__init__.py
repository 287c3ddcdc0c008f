"""The CloudPress client: its typed requests, what it answers, and the ways it fails.

It knows nothing of Presshook's tables, and nothing else of `app` is imported here but `app.network`.
"""

from app.cloudpress.addresses import checked_url, normalize_base_url, with_written_path
from app.cloudpress.client import Answer, CloudPress
from app.cloudpress.connections import Connections
from app.cloudpress.errors import (
    BadAnswer,
    CloudPressError,
    NoAnswer,
    NotFound,
    NotSent,
    Refused,
)
from app.cloudpress.headers import header_safe
from app.cloudpress.origins import browser_origin
from app.cloudpress.schemas import (
    About,
    NamedItem,
    OrderDetails,
    OrderSummary,
    Placed,
    Product,
    Site,
    SiteOrder,
    SiteRef,
    Ssh,
    Task,
    TaskRef,
)

__all__ = [
    "About",
    "Answer",
    "BadAnswer",
    "CloudPress",
    "CloudPressError",
    "Connections",
    "NamedItem",
    "NoAnswer",
    "NotFound",
    "NotSent",
    "OrderDetails",
    "OrderSummary",
    "Placed",
    "Product",
    "Refused",
    "Site",
    "SiteOrder",
    "SiteRef",
    "Ssh",
    "Task",
    "TaskRef",
    "browser_origin",
    "checked_url",
    "header_safe",
    "normalize_base_url",
    "with_written_path",
]
