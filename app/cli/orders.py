"""`orders`: place, list, show, watch, cancel, resolve and refresh orders at a running service."""

import sys
from contextlib import nullcontext
from importlib import import_module
from itertools import chain, islice
from shlex import quote
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import typer
from rich.live import Live
from rich.markup import escape

from app.cli.addresses import HERE
from app.cli.client import Client, ClientCommands
from app.cli.ending import ExitCode, UnknownOutcomeError
from app.cli.given import not_empty, once
from app.cli.options import Json, Key, Url
from app.cli.pace import Pace
from app.cli.printing import complain, print_json, print_json_line, say
from app.cli.tables import FINAL, order_table, orders_table, suspects_table, way_in
from app.cli.terminal import console
from app.states import OrderStatus

LONGEST_WAIT_SECONDS = 30
PAGE = 100

app = typer.Typer(cls=ClientCommands, help="Work with the orders of a running service.", no_args_is_help=True)

OrderId = Annotated[UUID, typer.Argument(metavar="ID", help="The order.")]


def _print(order: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(order)
    else:
        console.print(order_table(order))


def _variants() -> list[str]:
    # The bodies bring the service's tables with them, which no command of a client waits for.
    return list(import_module("app.api.bodies.orders").VARIANTS)


@app.command()
def place(
    name: Annotated[str, typer.Argument(help="The site's name.")],
    key: Key,
    *,
    variant: Annotated[
        str, typer.Option(help="vanilla, extendify or migration.", autocompletion=_variants)
    ] = "vanilla",
    location: Annotated[str | None, typer.Option(help="Where the site is to be.")] = None,
    plan: Annotated[str | None, typer.Option(help="The plan.")] = None,
    return_url: Annotated[str | None, typer.Option(help="Where the end user is sent after paying.")] = None,
    progress_page: Annotated[
        bool, typer.Option("--progress-page", help="Make a page for the end user (progress_url).")
    ] = False,
    account: Annotated[str | None, typer.Option(help="The CloudPress account; else the default.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Something of yours to keep with it.")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(help="Repeat a command with it, and the order is not placed again.", callback=not_empty),
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
    if progress_page:
        body["progress_page"] = True
    if metadata:
        body["metadata"] = once(map(_pair, metadata), option="--metadata")
    service = Client(url, key)
    if idempotency_key is None:
        idempotency_key = str(uuid4())
    try:
        answer = service.ask("POST", "/orders", json=body, headers={"Idempotency-Key": idempotency_key})
    except (UnknownOutcomeError, KeyboardInterrupt):
        # Without the key another one would be ordered.
        complain(f"To order it once, repeat the command with --idempotency-key {quote(idempotency_key)}.")
        raise
    order = answer.json()
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
    status: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this status; may be repeated.",
            autocompletion=lambda: [str(each) for each in OrderStatus],
        ),
    ] = None,
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
    params.append(("limit", str(min(PAGE, limit))))
    pages = Client(url, key).pages("/orders", params)
    orders = list(islice(chain.from_iterable(pages), limit))
    if as_json:
        print_json(orders)
    elif orders:
        console.print(orders_table(orders))
    else:
        say("There are no such orders.")


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
    service = Client(url, key)
    order = service.ask("GET", f"/orders/{order_id}").json()
    pages = service.pages(f"/orders/{order_id}/events", [("limit", str(PAGE))]) if events else ()
    timeline = list(chain.from_iterable(pages))
    if as_json:
        print_json({**order, "events": timeline} if events else order)
        return
    console.print(order_table(order))
    for event in timeline:
        data = ", ".join(f"{name} {value}" for name, value in event["data"].items() if value is not None)
        when, what = escape(event["at"]), escape(event["type"])
        console.print(f"[dim]{when}[/] {what}", escape(data), highlight=False, soft_wrap=True)


@app.command()
def watch(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Watch an order until it is final. The exit code is 0 if it is completed, 4 if not."""
    _watch(Client(url, key), order_id, as_json=as_json)


def _watch(service: Client, order_id: UUID, *, as_json: bool) -> None:
    """Follow an order by waiting requests; print each state as a line of JSON, or keep a live view."""
    pace = Pace()
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
            answer = _changed(service, order_id, answer, pace)
            order = answer.json()
    if order["status"] != "completed":
        raise typer.Exit(ExitCode.NOT_COMPLETED)


def _changed(service: Client, order_id: UUID, known: httpx.Response, pace: Pace) -> httpx.Response:
    """Return the answer that shows another state than the known one."""
    etag = known.headers.get("ETag")
    while True:
        pace.keep()
        answer = service.ask(
            "GET",
            f"/orders/{order_id}",
            params=[("wait", str(LONGEST_WAIT_SECONDS))],
            headers={} if etag is None else {"If-None-Match": etag},
        )
        if answer.status_code == 200 and answer.content != known.content:
            return answer


@app.command()
def cancel(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Cancel an order, if CloudPress still lets it be cancelled."""
    _print(Client(url, key).ask("DELETE", f"/orders/{order_id}").json(), as_json=as_json)


@app.command()
def erase(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Erase everything personal of a final order, for good. Who asked is recorded."""
    _print(Client(url, key).ask("DELETE", f"/orders/{order_id}/data").json(), as_json=as_json)


@app.command()
def refresh(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Have an open order looked at now."""
    _print(Client(url, key).ask("POST", f"/orders/{order_id}/refresh").json(), as_json=as_json)


@app.command()
def credentials(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """Show how to log in to a finished site. That it was read is recorded."""
    ssh = Client(url, key).ask("GET", f"/orders/{order_id}/credentials").json()["ssh"]
    if as_json:
        print_json({"ssh": ssh})
        return
    say(*way_in(ssh))


@app.command()
def suspects(order_id: OrderId, key: Key, *, as_json: Json = False, url: Url = HERE) -> None:
    """List what CloudPress has that may be an order: what there is to choose from when resolving it."""
    found = Client(url, key).ask("GET", f"/orders/{order_id}/suspects").json()
    if as_json:
        print_json(found)
    else:
        _print_suspects(found)


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
    """Say what becomes of an order whose placement is unknown, or that seems to be at CloudPress twice.

    What CloudPress has that may be it is shown first, and you are asked, if you sit at a terminal. Your word
    holds for what was shown: where there is more by then, it is refused.
    """
    said = {"adopt": adopt is not None, "place_again": place_again, "fail": fail}
    said["dismiss_duplicates"] = dismiss_duplicates
    actions = [action for action, is_said in said.items() if is_said]
    if len(actions) != 1:
        raise typer.BadParameter("say one of --adopt ID, --place-again, --fail and --dismiss-duplicates")
    client = Client(url, key)
    body: dict[str, Any] = {"action": actions[0]}
    body |= {"cloudpress_order_id": adopt} if adopt is not None else _shown(client, order_id, as_json=as_json)
    order = client.ask("POST", f"/orders/{order_id}/resolve", json=body).json()
    _print(order, as_json=as_json)


def _shown(client: Client, order_id: UUID, *, as_json: bool) -> dict[str, Any]:
    """Show what may be an order before anything is decided about it; return it, to be sent along."""
    found = client.ask("GET", f"/orders/{order_id}/suspects").json()
    seen = [*(each["cloudpress_order_id"] for each in found["data"]), *found["others"]]
    if not as_json:
        _print_suspects(found)
        if sys.stdin.isatty() and not typer.confirm("Is that still what you want?"):
            raise typer.Abort
    return {"suspects": seen, "callbacks": found["callbacks"]}


def _print_suspects(found: dict[str, Any]) -> None:
    if found["data"]:
        console.print(suspects_table(found["data"]))
    else:
        say("CloudPress has nothing that may be it, as far as look-ups have shown.")
    if found["others"]:
        say(f"… and {found['left_out']} more: {', '.join(found['others'])}")
    if found["callbacks"]:
        say(f"Callbacks that were let in for it: {found['callbacks']}")
