"""What an address may carry behind its `?`: what the route takes, and each that takes one value once.

A filter whose name is mistyped would list everything, and of two values one would be passed over unseen.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, get_args, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request

from app.api.problems.kinds import invalid_field

SENT_TWICE = "This is sent more than once, and takes one value."
_TAKEN: dict[str, Mapping[str, bool]] = {}
"""What routes take, by the names that are theirs alone. No route hashes."""


async def require_known_parameters(request: Request) -> None:
    """Let a request pass whose parameters its route takes, none of them more often than it does.

    Raises:
        Problem: 422 that names the first one that is not so.
    """
    if not request.scope.get("query_string"):
        return
    taken = _taken_by(request.scope["route"])
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in taken:
            raise invalid_field(name, "There is no such parameter here.")
        if times > 1 and not taken[name]:
            raise invalid_field(name, SENT_TWICE)


def _taken_by(route: APIRoute) -> Mapping[str, bool]:
    """Return the parameters that a route takes, and of each whether it may come several times."""
    taken = _TAKEN.get(route.unique_id)
    if taken is None:
        taken = _TAKEN[route.unique_id] = dict(fields_of(route.dependant, attrgetter("query_params")))
    return taken


def fields_of(dependant: Dependant, among: Callable[[Dependant], Iterable[Any]]) -> list[tuple[str, bool]]:
    """Return the fields of one kind that a route takes, and of each whether it may come several times."""
    own = [(field.alias, _is_list(field.field_info.annotation)) for field in among(dependant)]
    return own + [each for part in dependant.dependencies for each in fields_of(part, among)]


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) is list or any(_is_list(part) for part in get_args(annotation))
