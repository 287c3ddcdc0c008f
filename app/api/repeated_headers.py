"""Headers that take one value and are sent twice: of two values one would be passed over unseen.

Which of them is meant nobody can say: a client that repeats, or a proxy, may have put one before the other.
"""

from operator import attrgetter

from fastapi.routing import APIRoute
from starlette.requests import Request

from app.api.problems.kinds import invalid_field
from app.api.query import SENT_TWICE, fields_of

_TAKEN: dict[str, tuple[str, ...]] = {}
"""The headers of routes that take one value, by the names that are the routes' alone. No route hashes."""


async def require_headers_once(request: Request) -> None:
    """Let a request pass that sends each header which its route reads once, or as often as that takes it.

    Of headers that are lists the lines are one by now: they were joined (`middleware/headers.py`).

    Raises:
        Problem: 422 that names the header.
    """
    for name in _single(request.scope["route"]):
        if len(request.headers.getlist(name)) > 1:
            raise invalid_field(name, SENT_TWICE)


def _single(route: APIRoute) -> tuple[str, ...]:
    taken = _TAKEN.get(route.unique_id)
    if taken is None:
        found = fields_of(route.dependant, attrgetter("header_params"))
        taken = _TAKEN[route.unique_id] = tuple(name for name, is_list in found if not is_list)
    return taken
