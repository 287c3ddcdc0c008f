"""A client of a running service for the commands: one place for its address, its errors and exit codes."""

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import httpx
import typer

TIMEOUT_SECONDS = 60.0

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


def _presentable(key: str) -> str:
    if not (key and key == key.strip() and key.isascii() and key.isprintable()):
        fail(
            "This cannot be an API key, which is one line of ASCII: set PRESSHOOK_API_KEY or --key.",
            ExitCode.REFUSED,
        )
    return key


Url = Annotated[str, typer.Option(envvar="PRESSHOOK_URL", help="Where the service is.")]
Key = Annotated[
    str,
    typer.Option(
        envvar=["PRESSHOOK_API_KEY", "API_KEY"],
        help="The API key.",
        show_default=False,
        callback=_presentable,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the service's JSON, for scripts.")]


def in_path(text: str) -> str:
    """Return a text as one part of a path, whatever is in it; a dot is no step up either."""
    return quote(text, safe="", errors="surrogateescape").replace(".", "%2E")


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
        """Make a request; end the command if it cannot be made, is refused, or is not answered by Presshook.

        `path` is what comes after `/v1`; what users typed stands in it by `in_path`.
        """
        given = {key: value for key, value in (("json", json), ("params", params)) if value is not None}
        try:
            answer = httpx.request(
                method,
                f"{self.url.rstrip('/')}/v1{path}",
                headers={"Authorization": f"Bearer {self.key}", **(headers or {})},
                timeout=TIMEOUT_SECONDS,
                **given,  # type: ignore[arg-type]
            )
        except (httpx.LocalProtocolError, UnicodeEncodeError):
            fail(
                "The request cannot be made: an option holds characters that cannot be sent.",
                ExitCode.REFUSED,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            fail(
                f"The service cannot be reached at {self.url} ({type(error).__name__}).", ExitCode.UNREACHABLE
            )
        if answer.status_code in {204, 304}:
            return answer
        if answer.is_success:
            if _document(answer) is None:
                fail(f"What answers at {self.url} does not look like Presshook.", ExitCode.UNREACHABLE)
            return answer
        code = ExitCode.UNREACHABLE if answer.status_code >= 500 else ExitCode.REFUSED
        fail(refusal(answer), code)


def _document(answer: httpx.Response) -> dict[str, Any] | None:
    """Return an answer's JSON, None if it is not an object, as all that Presshook answers is."""
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def refusal(answer: httpx.Response) -> str:
    """Say what a refusal says."""
    problem = _document(answer) or {}
    detail = problem.get("detail")
    if not isinstance(detail, str):
        return f"The service answered {answer.status_code}, and nothing that can be understood."
    if answer.status_code == 401:
        return "The API key is missing or is not accepted: set PRESSHOOK_API_KEY or --key."
    lines = [detail]
    errors = problem.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict):
            lines.append(f"  {error.get('field')}: {error.get('detail')}")
        elif str(error) not in detail:
            lines.append(f"  {error}")
    if problem.get("order_id"):
        lines.append(f"  It is kept as order {problem['order_id']}.")
    return "\n".join(lines)


def print_json(document: object) -> None:
    """Print a document for scripts."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_json_line(document: object) -> None:
    """Print one of several documents for scripts, each a line."""
    typer.echo(json.dumps(document, separators=(",", ":"), ensure_ascii=False))
