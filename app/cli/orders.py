"""`orders`: what can be done about orders, at a running service."""

from typing import Annotated

import httpx
import typer

app = typer.Typer(help="Work with the orders of a running service.", no_args_is_help=True)

Url = Annotated[str, typer.Option(envvar="PRESSHOOK_URL", help="Where the service is.")]
Key = Annotated[str, typer.Option(envvar="API_KEY", help="The API key.", show_default=False)]


@app.callback()
def orders() -> None:
    """Work with the orders of a running service."""


@app.command()
def resolve(
    order_id: Annotated[str, typer.Argument(help="The unconfirmed order.")],
    key: Key,
    *,
    url: Url = "http://127.0.0.1:8000",
    adopt: Annotated[str | None, typer.Option(metavar="ID", help="It is this CloudPress order.")] = None,
    place_again: Annotated[bool, typer.Option("--place-again", help="Send it once more.")] = False,
    fail: Annotated[bool, typer.Option("--fail", help="Give it up.")] = False,
) -> None:
    """Say what becomes of an order whose placement is unknown."""
    if sum((adopt is not None, place_again, fail)) != 1:
        raise typer.BadParameter("say one of --adopt ID, --place-again and --fail")
    body = {"action": "adopt", "cloudpress_order_id": adopt} if adopt else None
    body = body or {"action": "fail" if fail else "place_again"}
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/v1/orders/{order_id}/resolve",
            json=body,
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        typer.echo(f"The service cannot be reached at {url} ({type(error).__name__}).", err=True)
        raise typer.Exit(3) from None
    shown = answer.json()
    if not answer.is_success:
        typer.echo(shown.get("detail", f"The service answered {answer.status_code}."), err=True)
        raise typer.Exit(1)
    typer.echo(f"Order {shown['id']} is {shown['status']}.")
