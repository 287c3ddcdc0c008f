"""The framework's description of a set of routes, made once: each test has an application of its own.

A real process describes itself once. Every application here would do it anew, from the same routes, which
takes longer than most tests that ask for it. What is added to the description, and where the service says
that it is, each application still says by itself.
"""

import pickle
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi.openapi.utils import get_openapi as describe
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from app.api import description


def _described(routes: Sequence[BaseRoute]) -> tuple[Any, ...]:
    """Return what tells a description of routes from another: which of them are in it, and what they call."""
    return tuple(
        (context.path, frozenset(context.methods or ()), context.original_route.endpoint)
        for context in iter_route_contexts(routes)
        if isinstance(context.original_route, APIRoute) and context.include_in_schema
    )


def describe_once(patches: pytest.MonkeyPatch) -> None:
    """Have the same routes be described once, until the patches are undone."""
    known: dict[tuple[Any, ...], bytes] = {}

    def get_openapi(*, routes: Sequence[BaseRoute], **said: Any) -> dict[str, Any]:
        key = (repr(said), *_described(routes))
        if key not in known:
            known[key] = pickle.dumps(describe(routes=routes, **said))
        # A copy, as the application writes into it.
        found: dict[str, Any] = pickle.loads(known[key])  # noqa: S301 - we have written it
        return found

    patches.setattr(description, "get_openapi", get_openapi)
