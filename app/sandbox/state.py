"""What the stand-in knows: orders, tasks and sites, in memory, for as long as it runs."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

LOCATIONS = ("Amsterdam", "Frankfurt", "Iowa")
PRODUCTS = (("Starter", "One site"), ("Business", "One site, more room"))
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
VARIANTS = ("vanilla", "extendify", "migration")
FINAL_TASK = frozenset({"OK", "FAILED", "CANCELLED"})
ORDER_AFTER_TASK = {"OK": "completed", "FAILED": "failed", "CANCELLED": "cancelled"}


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def now() -> datetime:
    """Return the time: the only place that reads a clock."""
    return datetime.now(UTC)


def unused_task_id() -> int:
    """Return a number that no sandbox before this one has given to a task.

    One that began again at the same number would show whoever remembers a task another order's. Microseconds
    count faster than orders can be made, and their number stays exact where numbers are doubles.
    """
    return (now() - BEGINNING) // timedelta(microseconds=1)


@dataclass
class Site:
    """A made site."""

    id: str
    name: str
    location: str
    package: str
    ipaddr: str
    password: str = field(repr=False)
    made_at: datetime
    shown_from: datetime

    @property
    def username(self) -> str:
        """The ssh user."""
        return f"site{self.id[:8]}"

    @property
    def domain(self) -> str:
        """The site's first address."""
        return f"{self.id[:8]}.sandbox.example"


@dataclass
class Task:
    """The task of an order."""

    id: int
    status: str = "PENDING"
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass
class CallbackTry:
    """One try to send a callback; `status` is None if there was no answer."""

    at: datetime
    status: int | None
    forged: bool = False


@dataclass
class Order:
    """An order with everything that belongs to it."""

    id: str
    account_id: str
    site_name: str
    variant: str
    location: str
    product: str
    return_url: str | None
    callback_url: str | None
    """None for an order that asked for no callback."""
    callback_authorization: str = field(repr=False)
    task: Task
    faults: dict[str, float]
    created_at: datetime
    updated_at: datetime
    status: str = "processing"
    payment_url: str | None = None
    site: Site | None = None
    callback_tries: list[CallbackTry] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether the order's task has ended."""
        return self.task.status in FINAL_TASK


class State:
    """All orders. Ids are drawn from a source that may be seeded, so that a run can be repeated."""

    def __init__(self, random: Random, *, last_task_id: int = 1000) -> None:
        """Begin with nothing; tasks are numbered after `last_task_id`."""
        self._random = random
        self._next_task_id = last_task_id
        self.orders: dict[str, Order] = {}
        self.requests: dict[str, int] = {}

    def add_order(
        self,
        *,
        account_id: str,
        site: dict[str, str | None],
        callback: dict[str, str] | None,
        faults: dict[str, float],
    ) -> Order:
        """Make an order and its task."""
        self._next_task_id += 1
        order = Order(
            id=_uuid(self._random),
            account_id=account_id,
            site_name=site["name"] or "",
            variant=site["variant"] or "",
            location=site.get("location") or LOCATIONS[0],
            product=site.get("plan") or PRODUCTS[0][0],
            return_url=site.get("return_url"),
            callback_url=callback["url"] if callback else None,
            callback_authorization=callback["authorization"] if callback else "",
            task=Task(self._next_task_id),
            faults=faults,
            created_at=now(),
            updated_at=now(),
        )
        self.orders[order.id] = order
        return order

    def start_task(self, order: Order) -> None:
        """Have the task run: at once, or once it was paid for."""
        order.payment_url = None
        order.status = "processing"
        order.task.status = "RUNNING"
        order.task.started_at = order.updated_at = now()
        if "site-early" in order.faults:
            order.site = self._make_site(order)

    def finish_task(self, order: Order, status: str) -> None:
        """End the task, once; make the site if it ended well."""
        if order.is_final:
            return
        if status == "OK":
            order.site = order.site or self._make_site(order)
        order.payment_url = None
        order.task.status = status
        order.task.ended_at = order.updated_at = now()
        order.status = ORDER_AFTER_TASK[status]

    def _make_site(self, order: Order) -> Site:
        # A source of its own: tasks end in any order, which must not shift what later orders draw.
        random = Random(order.id)  # noqa: S311 - a sandbox's passwords are no secrets
        return Site(
            id=_uuid(random),
            name=order.site_name,
            location=order.location,
            package=order.product,
            ipaddr=f"192.0.2.{random.randrange(1, 255)}",
            password=f"{random.getrandbits(96):024x}",
            made_at=now(),
            shown_from=now() + timedelta(seconds=order.faults.get("site-late", 0)),
        )

    def count_request(self, call: str) -> None:
        """Count a request of the API, to be shown."""
        self.requests[call] = self.requests.get(call, 0) + 1

    def order_of_task(self, task_id: str) -> Order | None:
        """Return the order that a task belongs to. `task_id` is what the address says, a number or not."""
        return next((order for order in self.orders.values() if str(order.task.id) == task_id), None)

    def order_of_site(self, site_id: str) -> Order | None:
        """Return the order that a site was made for."""
        return next(
            (order for order in self.orders.values() if order.site and order.site.id == site_id), None
        )
