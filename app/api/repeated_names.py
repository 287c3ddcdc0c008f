"""JSON in which a name comes twice: one reader takes the first of the values, another the last, we none."""

import json
from collections import Counter
from contextlib import suppress

from starlette.requests import Request

from app.api.problems.kinds import invalid_field


class _Object(dict[str, object]):
    """An object of JSON, and the name in it that comes more than once."""

    twice: str | None = None


async def require_names_once(request: Request) -> None:
    """Let a request pass in whose body no name comes twice in an object, or whose body is no JSON.

    Raises:
        Problem: 422 that names the field.
    """
    # Read for the route already, or else of no use to it.
    is_json = "json" in request.headers.get("content-type", "").lower()
    if not is_json or request.scope["route"].body_field is None:
        return
    with suppress(ValueError, RecursionError):  # what is no JSON is told where it is validated
        body = await request.body()
        seen: list[_Object] = []

        def remember(pairs: list[tuple[str, object]]) -> _Object:
            found = _Object(pairs)
            if len(found) < len(pairs):
                [(found.twice, _)] = Counter(name for name, _ in pairs).most_common(1)
                seen.append(found)
            return found

        document = json.loads(body, object_pairs_hook=remember)
        path = _path_to_repeated(document) if seen else None
        if path is not None:
            # Half a character of UTF-16, which JSON can name, no answer can.
            name = ".".join(path).encode(errors="replace").decode()
            raise invalid_field(name, "This name comes more than once in its object.")


def _path_to_repeated(value: object) -> list[str] | None:
    """Return the names that lead to the first repeated one in a document, None if there is none."""
    if isinstance(value, _Object) and value.twice is not None:
        return [value.twice]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        path = _path_to_repeated(part)
        if path is not None:
            return [str(name), *path]
    return None
