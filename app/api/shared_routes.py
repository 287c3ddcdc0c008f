"""Routes that all applications of a process share, with what FastAPI finds out about them."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.params import Depends
from starlette.routing import BaseRoute


def shared_routes(*routers: APIRouter, dependencies: Sequence[Depends] = ()) -> tuple[BaseRoute, ...]:
    """Return the routes of routers, in their order, for `app.router.routes`; each depends on `dependencies`.

    What FastAPI finds out about a route when it is first looked at (what its function is given, how that is
    read) takes a millisecond for each, and would be found out anew for each application that includes the
    router. Nothing of it depends on the application, which a request brings along.
    """
    including = APIRouter()
    for router in routers:
        including.include_router(router, dependencies=dependencies)
    return tuple(including.routes)
