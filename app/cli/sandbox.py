"""`sandbox`: the stand-in CloudPress."""

from typing import Annotated

import typer

from app.cli.given import not_empty, once
from app.cli.printing import say
from app.sandbox import FaultError, SandboxConfig, create_sandbox
from app.server.listening import address, listen_on
from app.server.process import run_app
from app.telemetry.logs import configure_logging

SHUTDOWN_SECONDS = 2
FURTHER = {"sandbox-token-2": "sandbox-account-2"}
"""The account that is there where no further one is named."""


def _rate(fault: str) -> tuple[str, float]:
    name, _, rate = fault.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        told = f"{fault}: write NAME=RATE with a rate from 0 to 1"
        raise typer.BadParameter(told, param_hint="--fault") from None


def _pair(text: str) -> tuple[str, str]:
    token, separator, account = text.partition("=")
    if not separator or not token or not account:
        raise typer.BadParameter("write TOKEN=ACCOUNT", param_hint="--also")
    return token, account


def _accounts(token: str, account: str, also: list[str] | None) -> dict[str, str]:
    """Return the accounts by their tokens, the first one's first."""
    if not also:
        first = {token: account}
        return {**first, **FURTHER, **first}
    return once([(token, account), *map(_pair, also)], option="--also", what="a token")


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8001,
    *,
    token: Annotated[
        str, typer.Option(help="The API token that is accepted.", callback=not_empty)
    ] = "sandbox-token",  # noqa: S107
    account: Annotated[
        str, typer.Option(help="The account that the token belongs to.", callback=not_empty)
    ] = "sandbox-account",
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOKEN=ACCOUNT",
            help="A further account.",
            show_default="sandbox-token-2=sandbox-account-2",
        ),
    ] = None,
    task_seconds: Annotated[float, typer.Option(min=0, help="How long a task runs.")] = 3.0,
    callback_speed: Annotated[
        float, typer.Option(min=0.001, help="Divides the waits between a callback's tries.")
    ] = 1.0,
    payment_first: Annotated[bool, typer.Option(help="Every order has to be paid first.")] = False,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="NAME=RATE", help="Share of orders that a fault befalls.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Draw the same faults and ids again.")] = None,
    public_url: Annotated[
        str | None, typer.Option(help="Where browsers reach this sandbox.", callback=not_empty)
    ] = None,
) -> None:
    """Run a stand-in CloudPress for development: real HTTP, payments, callbacks, faults on demand."""
    configure_logging()
    config = SandboxConfig(
        accounts=_accounts(token, account, also),
        task_seconds=task_seconds,
        callback_speed=callback_speed,
        payment_first=payment_first,
        fault_rates=once(map(_rate, fault or []), option="--fault"),
        seed=seed,
        public_url=public_url,
    )
    try:
        app = create_sandbox(config)
    except FaultError as error:
        raise typer.BadParameter(str(error), param_hint="--fault") from None
    listeners = listen_on(host, port)
    say(
        f"CLOUDPRESS_BASE_URL={address(listeners[0])}",
        f"CLOUDPRESS_API_TOKEN={token}",
        f"CLOUDPRESS_ACCOUNT_ID={account}",
    )
    run_app(app, listeners, ending_seconds=SHUTDOWN_SECONDS)
