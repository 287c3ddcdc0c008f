"""`orders`: place, list, show, watch, cancel, resolve and refresh orders at a running service."""

import time
from contextlib import nullcontext
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import typer
from rich.live import Live
from rich.markup import escape

from app.cli.client import HERE, ExitCode, Json, Key, Service, Url, print_json, print_json_line
from app.cli.tables import FINAL, console, order_table, orders_table

LONGEST_WAIT_SECONDS = 30
PAGE = 100

app = typer.Typer(help="Work with the orders of a running service.", no_args_is_help=True)

OrderId = Annotated[UUID, typer.Argument(metavar="ID", help="The order.")]


def _print(order: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(order)
    else:
        console.print(order_table(order))


@app.command()
def place(
    name: Annotated[str, typer.Argument(help="The site's name.")],
    key: Key,
    *,
    variant: Annotated[str, typer.Option(help="vanilla, extendify or migration.")] = "vanilla",
    location: Annotated[str | None, typer.Option(help="Where the site is to be.")] = None,
    plan: Annotated[str | None, typer.Option(help="The plan.")] = None,
    return_url: Annotated[str | None, typer.Option(help="Where the end user is sent after paying.")] = None,
    account: Annotated[str | None, typer.Option(help="The CloudPress account; else the default.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Something of yours to keep with it.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Repeat a command with it, and the order is not placed again.")
    ] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Watch the order until it is final.")] = False,
    as_json: Json = False,
    url: Url = HERE,
) -> None:
    """Order a site."""
    site = {"name": name, "variant": variant, "location": location, "plan": plan, "return_url": return_url}
    body: dict[str, Any] = {"site": {field: value for field, value in site.items() if value is not None}}
    if account is not None:
        body["account_id"] = account
    if metadata:
        body["metadata"] = dict(_pair(item) for item in metadata)
    service = Service(url, key)
    headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
    order = service.ask("POST", "/orders", json=body, headers=headers).json()
    if follow:
        _watch(service, UUID(order["id"]), as_json=as_json)
        return
    _print(order, as_json=as_json)


def _pair(item: str) -> tuple[str, str]:
    name, separator, value = item.partition("=")
    if not separator:
        raise typer.BadParameter(f"{item}: write KEY=VALUE", param_hint="--metadata")
    return name, value


@app.command("list")
def list_orders(
    key: Key,
    *,
    status: Annotated[list[str] | None, typer.Option(help="Only this status; may be repeated.")] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Only what asks for attention.")] = False,
    account: Annotated[list[str] | None, typer.Option(help="Only this account; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 20,
    as_json: Json = False,
    url: Url = HERE,
) -> None:
    """List orders, the newest first."""
    params = [("status", value) for value in status or []]
    params += [("account_id", value) for value in account or []]
    if attention:
        params.append(("attention", "true"))
    service = Service(url, key)
    orders: list[dict[str, Any]] = []
    cursor: list[tuple[str, str]] = []
    while len(orders) < limit:
        some = ("limit", str(min(PAGE, limit - len(orders))))
        page = service.ask("GET", "/orders", params=[*params, *cursor, some]).json()
        orders += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = [("cursor", page["next_cursor"])]
    if as_json:
        print_json(orders)
    elif orders:
        console.print(orders_table(orders))
    else:
        typer.echo("There are no such orders.")


@app.command()
def show(
    order_id: OrderId,
    key: Key,
    *,
    events: Annotated[bool, typer.Option("--events", help="Show what happened to it as well.")] = False,
    as_json: Json = False,
    url: Url = HERE,
) -> None:
    """Show an order."""
    service = Service(url, key)
    order = service.ask("GET", f"/orders/{order_id}").json()
    timeline = list(_events(service, order_id)) if events else []
    if as_json:
        print_json({**order, "events": timeline} if events else order)
        return
    console.print(order_table(order))
    for event in timeline:
        data = ", ".join(f"{name} {value}" for name, value in event["data"].items() if value is not None)
        console.print(f"[dim]{event['at']}[/] {event['type']}", escape(data), highlight=False, soft_wrap=True)


def _events(service: Service, order_id: UUID) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    cursor: list[tuple[str, str]] = []
    while True:
        page = service.ask("GET", f"/orders/{order_id}/events", params=[("limit", str(PAGE)), *cursor]).json()
        events += page["data"]
        if page["next_cursor"] is None:
            return events
        cursor = [("cursor", page["next_cursor"])]


@app.command()
def watch(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Watch an order until it is final. The exit code is 0 if it is completed, 4 if not."""
    _watch(Service(url, key), order_id, as_json=as_json)


def _watch(service: Service, order_id: UUID, *, as_json: bool) -> None:
    """Follow an order by waiting requests; print each state as a line of JSON, or keep a live view."""
    answer = service.ask("GET", f"/orders/{order_id}")
    order = answer.json()
    with nullcontext() if as_json else Live(order_table(order), console=console) as live:
        while True:
            if live is None:
                print_json_line(order)
            else:
                live.update(order_table(order), refresh=True)
            if order["status"] in FINAL:
                break
            answer = _changed(service, order_id, answer.headers["ETag"])
            order = answer.json()
    if order["status"] != "completed":
        raise typer.Exit(ExitCode.NOT_COMPLETED)


def _changed(service: Service, order_id: UUID, etag: str) -> httpx.Response:
    """Return the answer that shows another state than the known one."""
    while True:
        began = time.monotonic()
        answer = service.ask(
            "GET",
            f"/orders/{order_id}",
            params=[("wait", str(LONGEST_WAIT_SECONDS))],
            headers={"If-None-Match": etag},
        )
        if answer.status_code != 304:
            return answer
        if time.monotonic() - began < 1:
            time.sleep(1)  # a service that is ending answers waiting requests at once


@app.command()
def cancel(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Cancel an order, if CloudPress still lets it be cancelled."""
    _print(Service(url, key).ask("DELETE", f"/orders/{order_id}").json(), as_json=as_json)


@app.command()
def refresh(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Have an open order looked at now."""
    _print(Service(url, key).ask("POST", f"/orders/{order_id}/refresh").json(), as_json=as_json)


@app.command()
def credentials(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Show how to log in to a finished site. That it was read is recorded."""
    ssh = Service(url, key).ask("GET", f"/orders/{order_id}/credentials").json()["ssh"]
    if as_json:
        print_json({"ssh": ssh})
        return
    typer.echo(f"ssh -p {ssh['port'] or 22} {ssh['username']}@{ssh['ipaddr']}")
    typer.echo(f"password: {ssh['password']}")


@app.command()
def resolve(
    order_id: OrderId,
    key: Key,
    *,
    adopt: Annotated[str | None, typer.Option(metavar="ID", help="It is this CloudPress order.")] = None,
    place_again: Annotated[bool, typer.Option("--place-again", help="Send it once more.")] = False,
    fail: Annotated[bool, typer.Option("--fail", help="Give it up.")] = False,
    dismiss_duplicates: Annotated[
        bool, typer.Option("--dismiss-duplicates", help="What looks like it at CloudPress is another's.")
    ] = False,
    as_json: Json = False,
    url: Url = HERE,
) -> None:
    """Say what becomes of an order whose placement is unknown, or that seems to be at CloudPress twice."""
    said = {"adopt": adopt is not None, "place_again": place_again, "fail": fail}
    said["dismiss_duplicates"] = dismiss_duplicates
    actions = [action for action, is_said in said.items() if is_said]
    if len(actions) != 1:
        raise typer.BadParameter("say one of --adopt ID, --place-again, --fail and --dismiss-duplicates")
    body = {"action": actions[0], **({} if adopt is None else {"cloudpress_order_id": adopt})}
    order = Service(url, key).ask("POST", f"/orders/{order_id}/resolve", json=body).json()
    _print(order, as_json=as_json)
