"""A CloudPress that costs next to nothing: it takes every order, and ends all tasks when it is told to.

`GET /told` lists what was ordered: each order's callback address, its value and its task. `POST /end` ends
all tasks.
"""

import json
from itertools import count
from typing import Any
from uuid import uuid4

from starlette.types import Receive, Scope, Send

MADE_AT = "2026-01-01T00:00:00Z"
ACCOUNT = {"id": "bench-account", "name": "Bench"}


class Book:
    """All orders."""

    def __init__(self) -> None:
        """Begin with none."""
        self.orders: dict[str, dict[str, Any]] = {}
        self.of_task: dict[int, str] = {}
        self.numbers = count(1)
        self.has_ended = False

    def place(self, ordered: dict[str, Any]) -> dict[str, Any]:
        """Take an order."""
        order_id, task_id = str(uuid4()), next(self.numbers)
        self.orders[order_id] = {"task": task_id, "site": ordered["site"], "callback": ordered["callback"]}
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
            "account": ACCOUNT,
        }
        task = {"id": kept["task"], "status": self.status}
        site = {"site": {"id": f"site-{order_id}", "name": kept["site"]["name"]}} if self.has_ended else {}
        return {"order": shown, "tasks": [task], "account": ACCOUNT, **site}

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

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """Answer a request."""
        match method, path.removeprefix("/api").strip("/").split("/"):
            case "POST", ["orders"]:
                return self.place(json.loads(body))
            case "POST", ["end"]:
                self.has_ended = True
            case "GET", ["told"]:
                kept = self.orders.values()
                return [[it["callback"]["url"], it["callback"]["authorization"], it["task"]] for it in kept]
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
    answer = json.dumps(book.answer(scope["method"], scope["path"], bytes(body))).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
