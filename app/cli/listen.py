"""`listen`: events from the stream, posted to a local application as a webhook would post them."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer
from rich.markup import escape

from app.cli.client import HERE, ExitCode, Key, Url, fail, refusal
from app.cli.tables import console
from app.orders.lifecycle_events import LifecycleEvent
from app.webhooks.messages import body, event_message_id
from app.webhooks.signing import PREFIX, is_secret, new_secret, sign

COME_BACK_SECONDS = 1.0
# Longer than the service's heartbeats are apart.
SILENCE_SECONDS = 60.0
ANSWER_SECONDS = 15.0
TOO_MANY_REQUESTS = 429


@dataclass
class Heard:
    """What was heard last, which is where the next connection goes on."""

    last_event_id: str | None


def listen(
    forward_to: Annotated[str, typer.Option(metavar="URL", help="Where messages are posted.")],
    key: Key,
    *,
    kinds: Annotated[
        list[LifecycleEvent] | None, typer.Option("--type", help="Only events of this type; may be repeated.")
    ] = None,
    after: Annotated[int | None, typer.Option(help="Begin after this event; else with what comes.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            envvar="PRESSHOOK_WEBHOOK_SECRET", help="What signs; else a new one.", show_default=False
        ),
    ] = None,
    url: Url = HERE,
) -> None:
    """Post events, signed, to an application on this machine, and show what it answers."""
    if secret is None:
        secret = new_secret()
        typer.echo(f"Messages are signed with {secret}")
    elif not is_secret(secret):
        raise typer.BadParameter(f"must be {PREFIX} and base64", param_hint="--secret")
    heard = Heard(None if after is None else str(after))
    types = [str(kind) for kind in kinds or LifecycleEvent]
    typer.echo(f"Listening at {url}; forwarding to {forward_to}")
    with httpx.Client(timeout=ANSWER_SECONDS) as application:
        for event in _events(url, key, types, heard):
            _forward(application, forward_to, event, secret)


def _events(url: str, key: str, types: list[str], heard: Heard) -> Iterator[dict[str, Any]]:
    """Yield events for ever, over one connection after the other."""
    while True:
        headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
        if heard.last_event_id is not None:
            headers["Last-Event-ID"] = heard.last_event_id
        try:
            with httpx.stream(
                "GET",
                f"{url.rstrip('/')}/v1/events",
                params={"type": types},
                headers=headers,
                timeout=SILENCE_SECONDS,
            ) as answer:
                if answer.is_success:
                    yield from _parsed(answer.iter_lines(), heard)
                elif answer.status_code == TOO_MANY_REQUESTS or answer.is_server_error:
                    typer.echo(f"The service is away ({answer.status_code}); trying again.", err=True)
                else:
                    answer.read()
                    fail(refusal(answer), ExitCode.REFUSED)
        except httpx.InvalidURL:
            fail(f"{url} is not an address.", ExitCode.UNREACHABLE)
        except httpx.HTTPError as error:
            typer.echo(f"The service is away ({type(error).__name__}); trying again.", err=True)
        time.sleep(COME_BACK_SECONDS)


def _parsed(lines: Iterator[str], heard: Heard) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream's lines. (HTML Standard, "Server-sent events")"""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            continue
        if "data" in fields:
            yield json.loads(fields["data"])
        heard.last_event_id = fields.get("id", heard.last_event_id)
        fields = {}


def _forward(application: httpx.Client, forward_to: str, event: dict[str, Any], secret: str) -> None:
    message = body(event["type"], event["at"], event["id"], event["order"] or event["data"])
    headers = sign(event_message_id(event["id"]), int(time.time()), message, [secret])
    try:
        answer = application.post(
            forward_to, content=message, headers={**headers, "content-type": "application/json"}
        )
        said = f"{answer.status_code} {answer.reason_phrase}"
        colour = "green" if answer.is_success else "red"
    except httpx.InvalidURL:
        fail(f"{forward_to} is not an address.", ExitCode.REFUSED)
    except httpx.HTTPError as error:
        said, colour = f"no answer ({type(error).__name__})", "red"
    console.print(
        f"[dim]{event['at']}[/] {event['type']} {event['order_id']} [{colour}]{escape(said)}[/]",
        highlight=False,
        soft_wrap=True,
    )
