"""The typed client: one method per request that Presshook makes of CloudPress."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

import httpx

from app.cloudpress.addresses import normalize_base_url, path_segment
from app.cloudpress.connections import HEADERS, Connections
from app.cloudpress.decoding import decode
from app.cloudpress.errors import BadAnswer
from app.cloudpress.headers import header_safe
from app.cloudpress.redaction import concealing
from app.cloudpress.refusals import refusal
from app.cloudpress.schemas import About, OrderDetails, OrderSummary, Placed, Site, SiteOrder, Task
from app.cloudpress.transport import LATE_SECONDS, Base, Received, exchange
from app.network.dates import http_date

PAGE_SIZE = 100

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What CloudPress answered.

    `raw` is the body as it came, to be stored whole; it may hold an ssh password, so it is not in the
    representation. `date` is CloudPress's own clock (the `Date` header, UTC), None if it told none.
    """

    value: T
    raw: bytes = field(repr=False)
    date: datetime | None


class CloudPress:
    """A brand's API under one account.

    Every method raises `CloudPressError` of the kinds that `errors` draws, and takes `timeout_seconds`,
    which can only shorten the client's own: the total time for the request and its whole answer.
    """

    def __init__(
        self,
        connections: Connections,
        base_url: str,
        *,
        token: str,
        account_id: str,
        timeout_seconds: float,
    ) -> None:
        """Prepare a client; nothing is sent yet, and nothing of it has to be closed.

        Raises:
            ValueError: `base_url` is no such address (see `normalize_base_url`), or the token or the
                account's id cannot stand in a header. The text repeats none of them.
            NetworkSettingsError: the environment names a proxy that cannot be used.
        """
        for name, value in (("token", token), ("account id", account_id)):
            try:
                header_safe(value)
            except ValueError as error:
                raise ValueError(f"the {name} {error}") from None
        url = httpx.URL(normalize_base_url(base_url))
        self._base_url = str(url)
        self._secrets = (token, *connections.secrets(self._base_url))
        self._timeout_seconds = timeout_seconds
        self._reads, self._writes = (of(self._base_url) for of in (connections.reads, connections.writes))
        headers = {**HEADERS, "Authorization": f"Token {token}", "X-Auth-Account": account_id}
        self._base = Base(url, self._reads.route, headers)
        self._known_hosts = connections.known_hosts

    async def about(self, *, timeout_seconds: float | None = None) -> Answer[About]:
        """Ask what can be ordered."""
        return await self._read("about", About.from_document, timeout_seconds)

    async def orders(
        self, *, page: int = 1, timeout_seconds: float | None = None
    ) -> Answer[tuple[OrderSummary, ...]]:
        """List a page of the account's orders; a page of fewer than 100 is the last one.

        (provider page: `per_page` is at most 100; the order of the list is not documented)
        """
        path = f"orders?page={page}&per_page={PAGE_SIZE}"
        return await self._read(path, OrderSummary.list_from_document, timeout_seconds)

    async def order(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[OrderDetails]:
        """Read an order. `ValueError` if the id cannot be part of a path."""
        path = f"orders/{path_segment(order_id)}"
        answer = await self._read(path, OrderDetails.from_document, timeout_seconds)
        return _about(answer, answer.value.id, order_id)

    async def task(self, task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]:
        """Read a task of any age."""
        answer = await self._read(f"tasks/{task_id}", Task.from_document, timeout_seconds)
        return _about(answer, str(answer.value.id), str(task_id))

    async def site(self, site_id: str, *, timeout_seconds: float | None = None) -> Answer[Site]:
        """Read a site. `ValueError` if the id cannot be part of a path."""
        path = f"sites/{path_segment(site_id)}"
        answer = await self._read(path, Site.from_document, timeout_seconds)
        return _about(answer, answer.value.id, site_id)

    async def place(
        self,
        site: SiteOrder,
        *,
        callback_url: str,
        callback_authorization: str,
        timeout_seconds: float | None = None,
    ) -> Answer[Placed]:
        """Order a site, which may cost money: sent once, on a connection of its own, never repeated.

        CloudPress will send `callback_authorization` as the callback's `Authorization` header.
        """
        document = {
            "site": site.model_dump(exclude_none=True),
            "callback": {"authorization": callback_authorization, "url": callback_url},
        }
        with concealing(*self._secrets, callback_authorization):
            received = await self._write("POST", "orders", json.dumps(document).encode(), timeout_seconds)
            return self._answer(decode(received.body, Placed.from_document), received)

    async def cancel(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[None]:
        """Cancel an order that is still in progress. `ValueError` if the id cannot be part of a path.

        Any 2xx means that it is cancelled; the provider documents no body.
        """
        path = f"orders/{path_segment(order_id)}"
        with concealing(*self._secrets):
            received = await self._write("DELETE", path, None, timeout_seconds)
        return Answer(None, raw=received.body, date=http_date(received.header(b"date")))

    async def _read(self, path: str, read: Callable[[object], T], timeout_seconds: float | None) -> Answer[T]:
        request = self._base.request("GET", f"/api/{path}")
        deadline_seconds = self._deadline_seconds(timeout_seconds)
        with concealing(*self._secrets):
            received = await exchange(self._reads, request, deadline_seconds=deadline_seconds)
            self._refuse(received)
            return self._answer(decode(received.body, read), received)

    async def _write(
        self, method: str, path: str, body: bytes | None, timeout_seconds: float | None
    ) -> Received:
        received = await exchange(
            self._writes,
            self._base.request(method, f"/api/{path}", body),
            deadline_seconds=self._deadline_seconds(timeout_seconds),
            late_seconds=LATE_SECONDS,
        )
        self._refuse(received)
        return received

    def _deadline_seconds(self, timeout_seconds: float | None) -> float:
        return (
            self._timeout_seconds if timeout_seconds is None else min(self._timeout_seconds, timeout_seconds)
        )

    def _refuse(self, received: Received) -> None:
        """Raise what an answer other than 2xx means."""
        if received.is_success:
            return
        refused = refusal(
            received.status,
            received.body,
            retry_after=received.header(b"retry-after"),
            date=http_date(received.header(b"date")),
            is_known_host=self._base_url in self._known_hosts,
        )
        if refused.is_own_form:
            self._known_hosts.add(self._base_url)
        raise refused

    def _answer(self, value: T, received: Received) -> Answer[T]:
        # What could be decoded has CloudPress's own form; but in `about` nothing is required.
        if not isinstance(value, About):
            self._known_hosts.add(self._base_url)
        return Answer(value, raw=received.body, date=http_date(received.header(b"date")))


def _about(answer: Answer[T], told: str, asked: str) -> Answer[T]:
    """Return an answer if it is about what was asked for.

    A cache, or a connection that lost count of its answers, gives another order's: it must never be taken for
    this one's. An id is the same in another letter case, as UUIDs are.

    Raises:
        BadAnswer: it is about something else.
    """
    if told.casefold() != asked.casefold():
        raise BadAnswer("CloudPress's answer is about something else than was asked for", kind="anothers")
    return answer
