"""`listen`: events from the stream, posted to a local application as a webhook would post them."""

import hashlib
import hmac
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer
from rich.markup import escape

from app.cli.addresses import HERE, address
from app.cli.client import Client
from app.cli.ending import fail
from app.cli.event_stream import EndlessLineError, Message, lines_of, messages_of
from app.cli.given_secrets import refuse_both, secret_of_environment
from app.cli.http import open_client, raw
from app.cli.options import Key, Url
from app.cli.printing import complain, say
from app.cli.terminal import console
from app.network.answers import CodedError
from app.orders.lifecycle_events import LifecycleEvent
from app.webhooks.messages import body, event_message_id
from app.webhooks.signing import PREFIX, is_secret, sign

VARIABLE = "PRESSHOOK_WEBHOOK_SECRET"
COME_BACK_SECONDS = 1.0
# Longer than the service's heartbeats are apart.
SILENCE_SECONDS = 60.0
ANSWER_SECONDS = 15.0
TOO_MANY_REQUESTS = 429
MOST_REFUSAL_BYTES = 64 * 1024


@dataclass
class Heard:
    """What was heard last, which is where the next connection goes on."""

    last_event_id: str | None


def listen(
    forward_to: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where messages are posted, such as localhost:3000/hook.",
            callback=address,
        ),
    ],
    key: Key,
    *,
    kinds: Annotated[
        list[LifecycleEvent] | None, typer.Option("--type", help="Only events of this type; may be repeated.")
    ] = None,
    after: Annotated[int | None, typer.Option(help="Begin after this event; else with what comes.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            default_factory=lambda: secret_of_environment(VARIABLE, option="--secret"),
            help=f"What signs; else {VARIABLE}, or else one of the API key's own, the same each time.",
            show_default=False,
        ),
    ],
    url: Url = HERE,
) -> None:
    """Post events, signed, to an application on this machine, and show what it answers."""
    refuse_both(VARIABLE, option="--secret")
    if secret is None:
        secret = secret_of(key)
        say(f"Messages are signed with {secret}")
    elif not is_secret(secret):
        raise typer.BadParameter(f"must be {PREFIX} and base64", param_hint="--secret")
    heard = Heard(None if after is None else str(after))
    types = [str(kind) for kind in kinds or LifecycleEvent]
    say(f"Listening at {url}; forwarding to {forward_to}")
    with open_client(forward_to, timeout_seconds=ANSWER_SECONDS) as application:
        for message in _messages(Client(url, key), types, heard):
            if message.data is not None:
                _forward(application, forward_to, message.data, secret)
            heard.last_event_id = message.last_event_id or heard.last_event_id


def secret_of(key: str) -> str:
    """Return the secret that belongs to an API key: the same on each start, and it does not tell the key."""
    return PREFIX + b64encode(hmac.digest(key.encode(), b"presshook listen", hashlib.sha256)).decode()


def _messages(service: Client, types: list[str], heard: Heard) -> Iterator[Message]:
    """Yield messages for ever, over one connection after the other."""
    while True:
        headers = {"Authorization": f"Bearer {service.key}", "Accept": "text/event-stream"}
        if heard.last_event_id is not None:
            headers["Last-Event-ID"] = heard.last_event_id
        try:
            with (
                open_client(service.url, timeout_seconds=SILENCE_SECONDS) as client,
                client.stream(
                    "GET",
                    f"{service.url.rstrip('/')}/v1/events",
                    params={"type": types},
                    headers=headers,
                ) as answer,
            ):
                if answer.status_code == TOO_MANY_REQUESTS or answer.is_server_error:
                    complain(f"The service is away ({answer.status_code}); trying again.")
                elif not answer.is_success:
                    service.refuse(_short(answer))
                elif not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    service.is_none()
                else:
                    yield from messages_of(lines_of(raw(answer)))
        except CodedError:
            fail("The stream is compressed, which was not asked for: is there a proxy before the service?")
        except (httpx.HTTPError, EndlessLineError) as error:
            complain(f"The service is away ({type(error).__name__}); trying again.")
        time.sleep(COME_BACK_SECONDS)


def _short(answer: httpx.Response) -> httpx.Response:
    """Return an answer with as much of its body as a refusal has."""
    body = b""
    for chunk in raw(answer):
        body += chunk
        if len(body) > MOST_REFUSAL_BYTES:
            break
    return httpx.Response(answer.status_code, headers=answer.headers, content=body, request=answer.request)


def _forward(application: httpx.Client, forward_to: str, data: str, secret: str) -> None:
    """Post an event. One that cannot be read is passed over, or it would end each further try as well."""
    try:
        event: dict[str, Any] = json.loads(data)
        message = body(event["type"], event["at"], event["id"], event["order"] or event["data"])
        headers = sign(event_message_id(event["id"]), int(time.time()), message, [secret])
        shown = [escape(str(event[name])) for name in ("at", "type", "order_id")]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        complain(f"An event cannot be read ({type(error).__name__}), and is passed over: {data[:200]}")
        return
    try:
        # Its status is the answer; what else it says is not read.
        with application.stream(
            "POST", forward_to, content=message, headers={**headers, "content-type": "application/json"}
        ) as answer:
            said = f"{answer.status_code} {answer.reason_phrase}"
            colour = "green" if answer.is_success else "red"
    except httpx.HTTPError as error:
        said, colour = f"no answer ({type(error).__name__})", "red"
    at, kind, order_id = shown
    console.print(
        f"[dim]{at}[/] {kind} {order_id} [{colour}]{escape(said)}[/]", highlight=False, soft_wrap=True
    )
