"""A client of a running service for the commands: one place for its address, its errors and exit codes."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx
import typer
from typer.core import TyperGroup

from app.cli.http import request, told
from app.cli.printing import complain
from app.cloudpress import header_safe
from app.env_file import EnvFileError, bare, read_secret

TIMEOUT_SECONDS = 60.0

HERE = "http://127.0.0.1:8000"
PROBLEM = "application/problem+json"


class ExitCode(IntEnum):
    """How a command ends."""

    REFUSED = 1
    """The service refused."""
    UNREACHABLE = 3
    """The service could not be reached, is not ready, or what answers is another program."""
    NOT_COMPLETED = 4
    """The order that was waited for ended failed or cancelled."""


class UnknownOutcomeError(typer.Exit):
    """The command ends, and the service may have done what it was asked for."""


def fail(*lines: str, code: ExitCode = ExitCode.REFUSED, error: type[typer.Exit] = typer.Exit) -> NoReturn:
    """End the command with lines on standard error."""
    complain(*lines)
    raise error(code)


KEY_NAMES = ("PRESSHOOK_API_KEY", "API_KEY")


def secret_of_environment(*names: str, option: str) -> str | None:
    """Return the secret that the environment has by the first of these names, or in a file by it and `_FILE`.

    None if it has none. As in the service's settings, blanks and quotes around it are no part of it.

    Raises:
        typer.BadParameter: the file cannot be read, or holds no secret.
    """
    for name in names:
        if value := bare(os.environ.get(name, "")):
            return value
        path = bare(os.environ.get(f"{name}_FILE", ""))
        if path:
            try:
                return read_secret(f"{name}_FILE", Path(path))
            except EnvFileError as error:
                raise typer.BadParameter(str(error), param_hint=option) from None
    return None


def refuse_both(*names: str, option: str) -> None:
    """Have no secret set by its name and by its file's.

    Raises:
        typer.BadParameter: one is.
    """
    for name in names:
        if bare(os.environ.get(name, "")) and bare(os.environ.get(f"{name}_FILE", "")):
            both = f"{name} is set, and so is {name}_FILE: set one of the two"
            raise typer.BadParameter(both, param_hint=option)


def _key_of_environment() -> str:
    key = secret_of_environment(*KEY_NAMES, option="--key")
    if key is None:
        none = "there is none: give it, or set PRESSHOOK_API_KEY or PRESSHOOK_API_KEY_FILE"
        raise typer.BadParameter(none, param_hint="--key")
    return key


def _presentable(key: str) -> str:
    refuse_both(*KEY_NAMES, option="--key")
    try:
        return header_safe(key)
    except ValueError:
        fail("This cannot be an API key, which is one word of ASCII: set PRESSHOOK_API_KEY or --key.")


def address(text: str) -> str:
    """Return an address of HTTP as it can be asked: `localhost:3000` and `3000` are on this machine.

    Raises:
        typer.BadParameter: it is none; what is wrong is said, and a password in it is not.
    """
    text = bare(text)
    if text.isdigit():
        text = f"localhost:{text}"
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        _ = parts.port
        httpx.URL(text)
    except (ValueError, httpx.InvalidURL):
        raise typer.BadParameter("this is no address: write http://host:port/path") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise typer.BadParameter("write an address such as http://localhost:3000/path")
    if parts.username is not None or parts.password is not None:
        raise typer.BadParameter("a user name or a password in an address would be shown: leave it out")
    return text


def base_address(text: str) -> str:
    """Return an address of HTTP that paths can be added to.

    Raises:
        typer.BadParameter: it is none, as `address`, or a path that is added would be a part of its query.
    """
    text = address(text)
    if "?" in text or "#" in text:
        raise typer.BadParameter(
            "this address holds a query or a fragment: leave out the ? or # and the rest"
        )
    return text


Url = Annotated[
    str, typer.Option(envvar="PRESSHOOK_URL", help="Where the service is.", callback=base_address)
]
Key = Annotated[
    str,
    typer.Option(
        default_factory=_key_of_environment,
        help="The API key; else PRESSHOOK_API_KEY, or else API_KEY, or what is in the file of their name and "
        "_FILE.",
        show_default=False,
        callback=_presentable,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the service's JSON, for scripts.")]


def in_path(text: str) -> str:
    """Return a text as one part of a path, whatever is in it; a dot is no step up either."""
    return quote(text, safe="", errors="surrogateescape").replace(".", "%2E")


@dataclass
class Pace:
    """Holds back a loop of requests: a few at once, and from then on one in each second.

    What is answered at once may be answered so for ever: by a proxy that alters tags, by a service that ends,
    by what is no Presshook.
    """

    at_once: float = 5.0
    _left: float = 5.0
    _at: float = 0.0

    def keep(self) -> None:
        """Wait until the next request may be made."""
        now = time.monotonic()
        self._left = min(self.at_once, self._left + now - self._at)
        if self._left < 1:
            time.sleep(1 - self._left)
            now, self._left = time.monotonic(), 1.0
        self._at = now
        self._left -= 1


class ClientCommands(TyperGroup):
    """Commands that read what a service answers: what is no answer of Presshook's ends them in one line."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own, which it does not export
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            # Whatever may stand in another program's JSON: fields that are missing, or of another kind.
            fail(
                f"What the service answered cannot be understood ({type(error).__name__}): is it Presshook, "
                "and of this release?",
                code=ExitCode.UNREACHABLE,
            )


@dataclass(frozen=True)
class Client:
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
        answer = None
        with told(self.url) as wrong:
            try:
                answer = request(
                    method,
                    f"{self.url.rstrip('/')}/v1{path}",
                    headers={"Authorization": f"Bearer {self.key}", **(headers or {})},
                    timeout_seconds=TIMEOUT_SECONDS,
                    **given,
                )
            except (httpx.LocalProtocolError, UnicodeEncodeError):
                fail("The request cannot be made: an option holds characters that cannot be sent.")
        if answer is None:
            fail(*wrong, code=ExitCode.UNREACHABLE, error=UnknownOutcomeError)
        if answer.status_code in {204, 304}:
            return answer
        if not answer.is_success:
            self.refuse(answer)
        if _document(answer) is None:
            self.is_none()
        return answer

    def refuse(self, answer: httpx.Response) -> NoReturn:
        """End the command because the service refused, is away, or is none."""
        if answer.status_code >= 500:
            fail(*refusal(answer), code=ExitCode.UNREACHABLE, error=UnknownOutcomeError)
        if not _is_problem(answer):
            self.is_none(answer.status_code)
        fail(*refusal(answer))

    def is_none(self, status: int | None = None) -> NoReturn:
        """End the command because what answers is something else, such as a proxy that has passed it on."""
        told = "" if status is None else f": it answered {status}, in another way"
        fail(
            f"What answers at {self.url} does not look like Presshook{told}.",
            code=ExitCode.UNREACHABLE,
            error=UnknownOutcomeError,
        )

    def pages(self, path: str, params: list[tuple[str, str]]) -> Iterator[list[dict[str, Any]]]:
        """Yield a list page by page to its end; end the command where the pages lead on and bring nothing."""
        cursor: list[tuple[str, str]] = []
        known: set[str] = set()
        while True:
            page = self.ask("GET", path, params=[*params, *cursor]).json()
            following = page["next_cursor"]
            yield page["data"]
            if following is None:
                return
            if not page["data"] or following in known:
                self.is_none()
            known.add(following)
            cursor = [("cursor", following)]


def _document(answer: httpx.Response) -> dict[str, Any] | None:
    """Return an answer's JSON, None if it is not an object, as all that Presshook answers is."""
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _is_problem(answer: httpx.Response) -> bool:
    """Tell whether an answer is a problem of RFC 9457, as each of Presshook's refusals is.

    Other programs have a `detail` in their errors as well, the sandbox among them.
    """
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == PROBLEM and isinstance((_document(answer) or {}).get("detail"), str)


def refusal(answer: httpx.Response) -> list[str]:
    """Say what a refusal says, in lines."""
    problem = _document(answer) or {}
    detail = problem.get("detail")
    if not isinstance(detail, str):
        return [f"The service answered {answer.status_code}, and nothing that can be understood."]
    if answer.status_code == 401:
        return ["The API key is missing or is not accepted: set PRESSHOOK_API_KEY or --key."]
    lines = [detail]
    errors = problem.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict):
            lines.append(f"  {error.get('field')}: {error.get('detail')}")
        elif str(error) not in detail:
            lines.append(f"  {error}")
    if problem.get("order_id"):
        lines.append(f"  It is kept as order {problem['order_id']}.")
    return lines
