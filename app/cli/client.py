"""A client of a running service for the commands: what it asks, and how a command ends that is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx
from typer.core import TyperGroup

from app.cli.ending import ExitCode, UnknownOutcomeError, fail
from app.cli.http import request, told

TIMEOUT_SECONDS = 60.0
PROBLEM = "application/problem+json"


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
