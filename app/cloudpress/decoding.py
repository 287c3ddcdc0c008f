"""From the bytes of an answer to a value, with `BadAnswer` as the only way to fail."""

import json
from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError

from app.cloudpress.errors import BadAnswer
from app.cloudpress.fields import TooManyError

T = TypeVar("T")


def load_json(body: bytes) -> object:
    """Parse a body as JSON.

    Bytes that are not UTF-8 are replaced: a mangled name must not cost the order id beside it.

    Raises:
        BadAnswer: it is not JSON, is nested too deeply, or holds an absurdly long number.
    """
    try:
        return json.loads(body.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        pass
    raise BadAnswer("CloudPress answered with something that is not JSON", kind="not_json")


def decode(body: bytes, read: Callable[[object], T]) -> T:
    """Parse a body and read the document in it.

    Raises:
        BadAnswer: it is not JSON, not the document that `read` expects, or has too many entries in it.
    """
    document = load_json(body)
    try:
        return read(document)
    except TooManyError as error:
        reason, kind = str(error), "too_many"
    except ValidationError as error:
        reason, kind = _places(error), "unexpected_shape"
    # Raised outside the `except`: the validation error holds the whole input, passwords included.
    raise BadAnswer(f"CloudPress's answer is not as expected: {reason}", kind=kind)


def _places(error: ValidationError) -> str:
    """Name the fields at fault, by our own names only, never what stood in them."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc']))} ({problem['type']})" for problem in problems[:5])
