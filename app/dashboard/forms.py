"""What a form of a page has sent."""

from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from app.api.problems.problem import Problem

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 2_100
B = TypeVar("B", bound=BaseModel)


class Form:
    """The fields of a form, each as often as it was sent. What is left empty was not given."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        """Keep what was sent, without white space around it."""
        self._fields = [(name, value.strip()) for name, value in fields]

    def get(self, name: str) -> str | None:
        """Return a field, None if it is empty or not there."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Return every value of a field that is not empty."""
        return [value for each, value in self._fields if each == name and value]


async def _form(request: Request) -> Form:
    """Read a form.

    Raises:
        Problem: 415 or 400 where it is none.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Problem(415, "unsupported-media-type", "This address takes what a form of the dashboard sends.")
    try:
        text = (await request.body()).decode()
        return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError:
        raise Problem(400, "malformed-form", "What was sent could not be read.") from None


FormDep = Annotated[Form, Depends(_form)]


def _in_words(kind: str, message: str) -> str:
    """Return what is wrong with a field, for people."""
    if kind == "string_pattern_mismatch":
        return "is not of the form that is expected here"
    return "is missing" if kind == "missing" else message.removeprefix("Value error, ")


def as_body(kind: type[B], **fields: object) -> B:
    """Return what the API would have been sent as JSON.

    Raises:
        Problem: 422, with the fields that are not acceptable.
    """
    given = {name: value for name, value in fields.items() if value is not None and value != []}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        errors = [
            {
                "field": ".".join(str(part) for part in each["loc"]),
                "detail": _in_words(each["type"], each["msg"]),
            }
            for each in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise Problem(
            422, "invalid-request", "Some fields are missing or not acceptable.", errors=errors
        ) from None
