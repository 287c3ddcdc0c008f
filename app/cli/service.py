"""A client of a running service for the commands: one place for its address, its errors and exit codes."""

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, NoReturn

import httpx
import typer

TIMEOUT_SECONDS = 60.0

Url = Annotated[str, typer.Option(envvar="PRESSHOOK_URL", help="Where the service is.")]
Key = Annotated[
    str, typer.Option(envvar=["PRESSHOOK_API_KEY", "API_KEY"], help="The API key.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print the service's JSON, for scripts.")]
HERE = "http://127.0.0.1:8000"


class ExitCode(IntEnum):
    """How a command ends."""

    REFUSED = 1
    """The service refused."""
    UNREACHABLE = 3
    """The service could not be reached, or is not ready."""
    NOT_COMPLETED = 4
    """The order that was waited for ended failed or cancelled."""


def fail(message: str, code: ExitCode) -> NoReturn:
    """End the command with a sentence on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


@dataclass(frozen=True)
class Service:
    """A running service, as one API key may use it."""

    url: str
    key: str

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: dict[str, Any] | None = None,
        params: list[tuple[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Make a request; end the command if it cannot be made or is refused."""
        given = {key: value for key, value in (("json", json), ("params", params)) if value is not None}
        try:
            answer = httpx.request(
                method,
                f"{self.url.rstrip('/')}/v1{path}",
                headers={"Authorization": f"Bearer {self.key}", **(headers or {})},
                timeout=TIMEOUT_SECONDS,
                **given,  # type: ignore[arg-type]
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeEncodeError) as error:
            fail(
                f"The service cannot be reached at {self.url} ({type(error).__name__}).", ExitCode.UNREACHABLE
            )
        if answer.is_success or answer.status_code == 304:
            return answer
        code = ExitCode.UNREACHABLE if answer.status_code >= 500 else ExitCode.REFUSED
        fail(refusal(answer), code)


def refusal(answer: httpx.Response) -> str:
    """Say what a refusal says."""
    try:
        problem = answer.json()
        detail = problem["detail"]
    except (ValueError, KeyError, TypeError):
        return f"The service answered {answer.status_code}, and nothing that can be understood."
    if answer.status_code == 401:
        return "The API key is missing or is not accepted: set PRESSHOOK_API_KEY or --key."
    lines = [detail]
    for error in problem.get("errors") or []:
        if isinstance(error, dict):
            lines.append(f"  {error['field']}: {error['detail']}")
        elif error not in detail:
            lines.append(f"  {error}")
    if problem.get("order_id"):
        lines.append(f"  It is kept as order {problem['order_id']}.")
    return "\n".join(lines)


def print_json(document: object) -> None:
    """Print a document for scripts."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
