"""A CloudPress that costs next to nothing: it takes every order, and ends all tasks when it is told to.

`GET /told` lists what was ordered: each order's callback address, its value and its task. `POST /end` ends
all tasks. `GET /asked` tells how often what was asked for, and how many requests were in flight at most.

Accounts whose id begins with `slow` are answered after SLOW_SECONDS, all others at once.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import uuid4

from starlette.types import Receive, Scope, Send

MADE_AT = "2026-01-01T00:00:00Z"
SLOW_SECONDS = float(os.environ.get("SLOW_SECONDS", "0"))
EVERY_ACCOUNT = "all"


class Asked:
    """What was asked of the API: how often each thing, and how many requests were in flight at most."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.requests: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    @contextmanager
    def request(self, method: str, path: list[str], account: str) -> Iterator[None]:
        """Count a request, which is in flight while the block runs."""
        self.requests[f"{method} {path[0]}"] += 1
        for each in (account, EVERY_ACCOUNT):
            self._in_flight[each] += 1
            self._most[each] = max(self._most[each], self._in_flight[each])
        try:
            yield
        finally:
            for each in (account, EVERY_ACCOUNT):
                self._in_flight[each] -= 1

    def answer(self) -> dict[str, Any]:
        """Tell it, and count what is in flight at most anew."""
        most, self._most = self._most, Counter()
        return {"requests": self.requests, "most_in_flight": most}


class Book:
    """All orders."""

    def __init__(self) -> None:
        """Begin with none."""
        self.orders: dict[str, dict[str, Any]] = {}
        self.of_task: dict[int, str] = {}
        self.numbers = count(1)
        self.has_ended = False
        self.asked = Asked()

    def place(self, ordered: dict[str, Any], account: str) -> dict[str, Any]:
        """Take an order."""
        order_id, task_id = str(uuid4()), next(self.numbers)
        self.orders[order_id] = {**ordered, "task": task_id, "account": {"id": account, "name": "Bench"}}
        self.of_task[task_id] = order_id
        return {
            "order": {"id": order_id, "status": "processing"},
            "task": {"id": task_id, "status": "RUNNING"},
        }

    def order(self, order_id: str) -> dict[str, Any]:
        """Show an order."""
        kept = self.orders[order_id]
        shown = {
            "id": order_id,
            "status": "completed" if self.has_ended else "processing",
            "created_at": MADE_AT,
            "variant": kept["site"]["variant"],
            "account": kept["account"],
        }
        task = {"id": kept["task"], "status": self.status}
        site = {"site": {"id": f"site-{order_id}", "name": kept["site"]["name"]}} if self.has_ended else {}
        return {"order": shown, "tasks": [task], "account": kept["account"], **site}

    def task(self, task_id: int) -> dict[str, Any]:
        """Show a task."""
        order_id = self.of_task[task_id]
        sites = [{"id": f"site-{order_id}"}] if self.has_ended else []
        return {"task": {"id": task_id, "status": self.status, "sites": sites, "orders": [{"id": order_id}]}}

    def site(self, site_id: str) -> dict[str, Any]:
        """Show a site."""
        kept = self.orders[site_id.removeprefix("site-")]
        ssh = {"ipaddr": "192.0.2.1", "username": "site", "password": "secret", "port": 22}
        return {
            "site": {
                "id": site_id,
                "name": kept["site"]["name"],
                "primary_domain": "site.example",
                "ssh": ssh,
                "domains": [],
            }
        }

    @property
    def status(self) -> str:
        """What all tasks have come to."""
        return "OK" if self.has_ended else "RUNNING"

    def control(self, path: str) -> Any:
        """Answer who measures."""
        if path == "/end":
            self.has_ended = True
        if path == "/asked":
            return self.asked.answer()
        kept = self.orders.values()
        return [[it["callback"]["url"], it["callback"]["authorization"], it["task"]] for it in kept]

    async def answer(self, method: str, path: str, account: str, body: bytes) -> Any:
        """Answer a request."""
        if not path.startswith("/api/"):
            return self.control(path)
        asked = path.removeprefix("/api/").split("/")
        with self.asked.request(method, asked, account):
            if account.startswith("slow"):
                await asyncio.sleep(SLOW_SECONDS)
            return self.api(method, asked, account, body)

    def api(self, method: str, path: list[str], account: str, body: bytes) -> Any:
        """Answer as CloudPress."""
        match method, path:
            case "POST", ["orders"]:
                return self.place(json.loads(body), account)
            case "GET", ["orders", order_id]:
                return self.order(order_id)
            case "GET", ["tasks", task_id]:
                return self.task(int(task_id))
            case "GET", ["sites", site_id]:
                return self.site(site_id)
        return {"orders": [], "version": "1", "locations": [], "products": []}


book = Book()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, as ASGI."""
    if scope["type"] != "http":
        return
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    account = dict(scope["headers"]).get(b"x-auth-account", b"").decode()
    told = await book.answer(scope["method"], scope["path"], account, bytes(body))
    answer = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
