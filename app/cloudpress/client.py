"""The typed client: one method per request that Presshook makes of CloudPress."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from types import TracebackType
from typing import Generic, Self, TypeVar

import httpx

from app.cloudpress.addresses import normalize_base_url, path_segment
from app.cloudpress.decoding import decode
from app.cloudpress.redaction import Redaction
from app.cloudpress.refusals import http_date, refusal
from app.cloudpress.schemas import About, OrderDetails, OrderSummary, Placed, Site, SiteOrder, Task
from app.cloudpress.transport import Received, exchange, new_client

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


class Connections:
    """The connections to a brand's API, which clients of many accounts may share."""

    def __init__(self) -> None:
        """Prepare; nothing connects yet."""
        headers = {"Accept": "application/json", "User-Agent": f"presshook/{version('presshook')}"}
        tls = httpx.create_ssl_context()
        self.reads = new_client(headers, tls, keep_alive=True)
        # A request on a kept-alive connection that the server has just closed ends with an unknown
        # outcome. A read is asked again; an order would have to be looked for. So a write connects anew.
        self.writes = new_client(headers, tls, keep_alive=False)
        self.known_hosts: set[str] = set()
        """The base URLs where something has answered in CloudPress's own form."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self.reads.aclose()
        await self.writes.aclose()


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
        """
        for name, value in (("token", token), ("account id", account_id)):
            if not value or not all("!" <= character <= "~" for character in value):
                raise ValueError(f"the {name} must be printable ASCII characters without spaces")
        self._base_url = normalize_base_url(base_url)
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._headers = {"Authorization": f"Token {token}", "X-Auth-Account": account_id}
        self._reads, self._writes = connections.reads, connections.writes
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
        return await self._read(path, OrderDetails.from_document, timeout_seconds)

    async def task(self, task_id: int, *, timeout_seconds: float | None = None) -> Answer[Task]:
        """Read a task of any age."""
        return await self._read(f"tasks/{task_id}", Task.from_document, timeout_seconds)

    async def site(self, site_id: str, *, timeout_seconds: float | None = None) -> Answer[Site]:
        """Read a site. `ValueError` if the id cannot be part of a path."""
        path = f"sites/{path_segment(site_id)}"
        return await self._read(path, Site.from_document, timeout_seconds)

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
        request = self._writes.build_request(
            "POST",
            f"{self._base_url}/api/orders",
            content=json.dumps(document).encode(),
            headers={**self._headers, "Content-Type": "application/json"},
        )
        redact = Redaction(self._token, callback_authorization)
        received = await self._receive(self._writes, request, timeout_seconds, redact)
        return self._answer(decode(received.body, Placed.from_document), received)

    async def cancel(self, order_id: str, *, timeout_seconds: float | None = None) -> Answer[None]:
        """Cancel an order that is still in progress. `ValueError` if the id cannot be part of a path.

        Any 2xx means that it is cancelled; the provider documents no body.
        """
        url = f"{self._base_url}/api/orders/{path_segment(order_id)}"
        request = self._writes.build_request("DELETE", url, headers=self._headers)
        redact = Redaction(self._token)
        received = await self._receive(self._writes, request, timeout_seconds, redact)
        return Answer(None, raw=received.body, date=http_date(received.headers.get("Date")))

    async def _read(self, path: str, read: Callable[[object], T], timeout_seconds: float | None) -> Answer[T]:
        request = self._reads.build_request("GET", f"{self._base_url}/api/{path}", headers=self._headers)
        redact = Redaction(self._token)
        received = await self._receive(self._reads, request, timeout_seconds, redact)
        return self._answer(decode(received.body, read), received)

    async def _receive(
        self,
        client: httpx.AsyncClient,
        request: httpx.Request,
        timeout_seconds: float | None,
        redact: Redaction,
    ) -> Received:
        deadline_seconds = self._timeout_seconds
        if timeout_seconds is not None:
            deadline_seconds = min(deadline_seconds, timeout_seconds)
        received = await exchange(client, request, deadline_seconds=deadline_seconds, redact=redact)
        if not received.is_success:
            refused = refusal(
                received.status,
                received.body,
                retry_after=received.headers.get("Retry-After"),
                date=http_date(received.headers.get("Date")),
                is_known_host=self._base_url in self._known_hosts,
                redact=redact,
            )
            if refused.is_own_form:
                self._known_hosts.add(self._base_url)
            raise refused
        return received

    def _answer(self, value: T, received: Received) -> Answer[T]:
        # What could be decoded has CloudPress's own form; but in `about` nothing is required.
        if not isinstance(value, About):
            self._known_hosts.add(self._base_url)
        return Answer(value, raw=received.body, date=http_date(received.headers.get("Date")))
