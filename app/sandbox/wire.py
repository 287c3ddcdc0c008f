"""How orders, tasks and sites look on the wire."""

from datetime import datetime
from typing import Any

from app.sandbox.state import LOCATIONS, PRODUCTS, VARIANTS, Order, Site, now


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _cased(order: Order, status: str) -> str:
    return status.swapcase() if "status-case" in order.faults else status


def about(account_id: str | None) -> dict[str, Any]:
    """Show what can be ordered."""
    return {
        "version": "sandbox",
        "logged_in_as": "sandbox@example.com",
        "account_scoped": account_id is not None,
        "locations": [{"id": number, "name": name} for number, name in enumerate(LOCATIONS, 1)],
        "products": [
            {"id": number, "name": name, "description": description}
            for number, (name, description) in enumerate(PRODUCTS, 1)
        ],
    }


def order_summary(order: Order) -> dict[str, Any]:
    """Show an order as the list does."""
    return {
        "id": order.id,
        "status": _cased(order, order.status),
        "created_at": _time(order.created_at),
        "updated_at": _time(order.updated_at),
        "variant": order.variant,
        "product": order.product,
        "location": order.location,
        "account": {"id": order.account_id, "name": "Sandbox"},
    }


def order_details(order: Order) -> dict[str, Any]:
    """Show an order by itself."""
    shown = order_summary(order)
    account = shown.pop("account")
    if order.payment_url:
        # (provider page: once spelt payment_ur)
        spelling = "payment_ur" if "payment-ur" in order.faults else "payment_url"
        shown[spelling] = order.payment_url
    answer = {
        "order": shown,
        "tasks": [{"id": order.task.id, "status": _cased(order, order.task.status)}],
        "account": account,
        "user": {"id": 1, "email": "sandbox@example.com"},
    }
    if order.site:
        answer["site"] = {"id": order.site.id, "name": order.site.name}
    return answer


def placed(order: Order) -> dict[str, Any]:
    """Show an order in answer to the request that made it."""
    answer: dict[str, Any] = {
        "order": {"id": order.id, "status": _cased(order, order.status)},
        "task": {"id": order.task.id, "status": _cased(order, order.task.status)},
    }
    if order.payment_url:
        answer["payment_url"] = order.payment_url
    elif order.site:
        answer["site"] = {
            "id": order.site.id,
            "name": order.site.name,
            "domain": order.site.domain,
            "ssh_data": {**_ssh(order.site), "port": "22"},
        }
    if "place-no-id" in order.faults:
        del answer["order"]["id"]
    return answer


def task(order: Order) -> dict[str, Any]:
    """Show an order's task."""
    names_site = order.site is not None and "task-without-site" not in order.faults
    return {
        "id": order.task.id,
        "name": "create_site",
        "title": f"Create {order.site_name}",
        "status": _cased(order, order.task.status),
        "data": "{}",
        "start_on": _time(order.task.started_at),
        "end_on": _time(order.task.ended_at),
        "user": {"id": 1, "email": "sandbox@example.com"},
        "accounts": [{"id": order.account_id, "name": "Sandbox"}],
        "sites": [{"id": order.site.id, "name": order.site.name}] if names_site and order.site else [],
        "orders": [{"id": order.id, "status": _cased(order, order.status)}],
    }


def site(order: Order, made: Site) -> dict[str, Any]:
    """Show a site."""
    return {
        "id": made.id,
        "name": made.name,
        "primary_domain": made.domain,
        "location": made.location,
        "region": "europe",
        "package": made.package,
        "php_version": "8.4",
        "domain_cname": "edge.sandbox.example",
        "ssh": {**_ssh(made), "port": 22},
        "domains": [made.domain],
        "subscription": {"status": "active", "updated_at": _time(now())},
        "created_at": _time(made.made_at),
        "updated_at": _time(order.updated_at),
    }


def _ssh(made: Site) -> dict[str, Any]:
    return {"ipaddr": made.ipaddr, "username": made.username, "password": made.password}


def order_errors(body: object) -> list[str]:
    """Return what is wrong with an order, as the provider's errors: one text each."""
    if not isinstance(body, dict) or not isinstance(body.get("site"), dict):
        return ["Missing site"]
    ordered, callback = body["site"], body.get("callback")
    errors = [f"Missing site {field}" for field in ("name", "variant") if not ordered.get(field)]
    errors += [
        f"Site {name} must be a string"
        for name, value in ordered.items()
        if value is not None and not isinstance(value, str)
    ]
    if ordered.get("variant") and ordered["variant"] not in VARIANTS:
        errors.append(f"Unknown variant; it is one of {', '.join(VARIANTS)}")
    if ordered.get("location") and ordered["location"] not in LOCATIONS:
        errors.append(f"Unknown location; it is one of {', '.join(LOCATIONS)}")
    if ordered.get("plan") and ordered["plan"] not in [name for name, _ in PRODUCTS]:
        errors.append("Unknown plan")
    return errors + _callback_errors(callback)


def _callback_errors(callback: object) -> list[str]:
    """Check a callback. None is needed. (provider page: only name and variant are starred)"""
    if callback is None:
        return []
    parts = callback if isinstance(callback, dict) else {}
    errors = [f"Missing callback {part}" for part in ("url", "authorization") if not parts.get(part)]
    url, authorization = parts.get("url"), parts.get("authorization")
    # Inferred, like the texts: what could never be sent is refused rather than lost.
    if url and not (isinstance(url, str) and url.startswith(("http://", "https://"))):
        errors.append("Callback url must be an http address")
    if authorization and not (
        isinstance(authorization, str) and authorization.isascii() and authorization.isprintable()
    ):
        errors.append("Callback authorization must be what a header can hold")
    return errors
