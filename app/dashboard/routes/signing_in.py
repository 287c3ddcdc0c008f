"""Signing in with an API key, and out."""

import re
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from app.api.auth import hold_back
from app.api.middleware.head import is_head
from app.api.problems.problem import Problem
from app.dashboard.desk import desk_of
from app.dashboard.forms import FormDep
from app.dashboard.page import SIGN_IN, OpenPage
from app.keys.authentication import KeyRefusedError

# A path of ours. What begins with `//`, or holds what a browser takes for a `/` or for a step up, would lead
# elsewhere.
OURS = re.compile(r"/ui(?:/(?!(?:\.|%2[eE]){1,2}(?:[/?]|$))[A-Za-z0-9._~%-]+)*(?:\?[!-\[\]-~]*)?")
ENDED = "You are signed in no more: the key was revoked, replaced or has expired."
USED = "This link was followed already. Sign in with the key."
OPEN_WAY = (
    "This page came over plain http from another machine, where everybody on the way could read the key. Use "
    "https, and set PUBLIC_URL to that address, or reach it by an SSH tunnel to 127.0.0.1."
)
WRONG = "This key is not let in."

router = APIRouter(route_class=OpenPage, include_in_schema=False)
log = structlog.get_logger()


def way_on(asked: str | None) -> str:
    """Return the page that was wanted; the first one where the address is none of ours."""
    return asked if asked is not None and OURS.fullmatch(asked) else "/ui"


@router.get(SIGN_IN)
async def ask(
    request: Request,
    next_page: Annotated[str | None, Query(alias="next", max_length=2048)] = None,
    why: Annotated[str | None, Query(max_length=20)] = None,
    once: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Ask for a key, or sign in by a link that does so once."""
    # A head alone signs nobody in: the link is left for the browser that follows it.
    if once is not None and not is_head(request.scope):
        return await _by_link(request, once)
    return _form(request, way_on(next_page), said=ENDED if why == "ended" else None)


async def _by_link(request: Request, once: str) -> Response:
    sessions = desk_of(request).sessions
    key = sessions.redeem(once) if sessions.way(request) == "loopback" else None
    if key is None:
        return _form(request, "/ui", said=USED)
    await sessions.check(key)
    response = RedirectResponse("/ui", 303)
    sessions.begin(request, response, key)
    return response


def _form(request: Request, next_page: str, *, error: str | None = None, said: str | None = None) -> Response:
    desk = desk_of(request)
    is_open = desk.sessions.way(request) == "open"
    return desk.render(
        request,
        "sign_in.html",
        status=200 if error is None else 401,
        next_page=next_page,
        error=error,
        said=said,
        warning=OPEN_WAY if is_open else None,
    )


@router.post(SIGN_IN)
async def sign_in(request: Request, form: FormDep) -> Response:
    """Let a browser in that presents a key. Wrong keys are answered ever more slowly, as at the API."""
    desk = desk_of(request)
    if desk.sessions.way(request) == "open":
        raise Problem(403, "not-private", OPEN_WAY)
    next_page = way_on(form.get("next"))
    key = form.get("key")
    if key is None:
        return _form(request, next_page, error="Enter an API key.")
    try:
        grant = await desk.sessions.check(key)
    except KeyRefusedError as error:
        desk.context.refuse_key(str(error))
        address = request.client.host if request.client else ""
        if seconds := desk.guesses.wait_seconds(address):
            await hold_back(request.scope, seconds)
        return _form(request, next_page, error=WRONG)
    log.info("signed_in", key=grant.name)
    response = RedirectResponse(next_page, 303)
    desk.sessions.begin(request, response, key)
    return response


@router.post("/ui/sign-out")
async def sign_out(request: Request) -> Response:
    """Have the browser forget that it has signed in."""
    response = RedirectResponse(SIGN_IN, 303)
    desk_of(request).sessions.end(request, response)
    return response
