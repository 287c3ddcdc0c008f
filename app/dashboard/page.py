"""What stands around every page: who may see it, where a change may come from, and errors as pages."""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.api.admission import Admission, still_let_in
from app.api.middleware.headers import log_defect
from app.api.middleware.rate_limit import RateLimiter
from app.api.problems.answering import problem_of
from app.api.problems.kinds import database_away, internal_error, rate_limited
from app.api.problems.problem import Problem
from app.api.routes.events import wants_stream
from app.dashboard.desk import Desk, desk_of
from app.dashboard.same_origin import require_same_origin
from app.db.errors import DATABASE_AWAY
from app.db.sharing import reader
from app.keys.authentication import KeyRefusedError

SIGN_IN = "/ui/sign-in"


class OpenPage(APIRoute):
    """A page for everybody. What goes wrong is a page that says what happened."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def page(request: Request) -> Response:
            desk = desk_of(request)
            try:
                if request.method not in {"GET", "HEAD"}:
                    require_same_origin(request, desk.context.settings.public_url)
                if (instead := await self.admit(request, desk)) is not None:
                    return instead
                async with still_let_in(request):
                    return await answer(request)
            except DATABASE_AWAY as error:
                return self.tell(desk, request, problem_of(request, error) or database_away())
            except Exception as error:  # noqa: BLE001 - its text may hold anything
                problem = problem_of(request, error)
                if problem is None:
                    log_defect(error)
                    problem = internal_error()
                return self.tell(desk, request, problem)

        return page

    async def admit(self, _request: Request, _desk: Desk) -> Response | None:
        """Return what is answered instead of the page, if it is."""
        return None

    def tell(self, desk: Desk, request: Request, problem: Problem) -> Response:
        """Show a problem."""
        return _told(desk, request, problem)


class Page(OpenPage):
    """A page for who has signed in, with the rights of the key; the API's own dependencies check these."""

    async def admit(self, request: Request, desk: Desk) -> Response | None:
        """Let in who has signed in; send everybody else to where one does."""
        try:
            admission = await desk.sessions.find(request)
        except KeyRefusedError:
            return _ended(desk, request)
        if admission is None:
            return _come_again(desk, request) or _to_sign_in(request)
        structlog.contextvars.bind_contextvars(key=admission.grant.name)
        reader.set(admission.grant.identity)
        request.state.admission = admission
        _require_rate(request, admission)
        return None

    def tell(self, desk: Desk, request: Request, problem: Problem) -> Response:
        """Show a problem; send whom it tells that the key ended meanwhile to where one signs in."""
        return _ended(desk, request) if problem.status == 401 else _told(desk, request, problem)


def _require_rate(request: Request, admission: Admission) -> None:
    """Count a page as what it is, a request by the key."""
    limiter: RateLimiter | None = request.app.state.limiter
    if limiter is None:
        return
    granted, _, seconds = limiter.take(admission.grant.identity)
    if not granted:
        rate = limiter.rate
        raise rate_limited(rate.requests, rate.seconds, wait_seconds=seconds)


def _come_again(desk: Desk, request: Request) -> Response | None:
    """Have a browser that follows a link from elsewhere come again from here, which makes it send its cookie.

    A cookie that is `SameSite=Strict` stays away from such a request, and whoever has signed in would have to
    do so again for each link in a mail. Only reading is done so.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    is_navigation = request.headers.get("sec-fetch-mode") == "navigate"
    if request.method != "GET" or site in {"same-origin", "none"} or not is_navigation:
        return None
    here = desk.at(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    return desk.render(request, "come_again.html", here=here)


def _ended(desk: Desk, request: Request) -> Response:
    """Send whoever was let in and is no more to sign in; the browser forgets it, and is not asked again."""
    request.state.admission = None  # what comes after does not refuse it once more
    if wants_stream(request.headers.getlist("accept")):
        return Response(status_code=401)  # the page itself says why
    response = _to_sign_in(request, "ended")
    desk.sessions.end(request, response)
    return response


def _to_sign_in(request: Request, why: str | None = None) -> Response:
    query = [f"why={why}"] if why else []
    if request.method == "GET" and request.url.path != "/ui":
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        query.append(f"next={desk_of(request).quoted(asked)}")
    return RedirectResponse(f"{SIGN_IN}{'?' if query else ''}{'&'.join(query)}", 303)


def _told(desk: Desk, request: Request, problem: Problem) -> HTMLResponse:
    """Show a problem. Its fields are named, and nothing that was sent is repeated."""
    return desk.render(
        request,
        "problem.html",
        status=problem.status,
        headers={name: value for name, value in (problem.headers or {}).items() if name == "Retry-After"},
        problem=problem,
        is_change=request.method == "POST",
        back=_back(request),
    )


def _back(request: Request) -> str:
    """Return the page above: where a button that went wrong was."""
    path = request.url.path
    return path.rpartition("/")[0] if request.method == "POST" else "/ui"


def back_to(path: str, done: str | None = None) -> Response:
    """Send the browser to a page that it reads anew, with the name of what was done."""
    return RedirectResponse(f"{path}?done={done}" if done else path, 303)
