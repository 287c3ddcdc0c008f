"""Looks once more whether a key is let in, where the body has come later than the head."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.admission import Admission
from app.api.problems.answering import problem_of
from app.api.problems.kinds import database_away
from app.api.problems.problem import Problem, UnreadError
from app.db.errors import DATABASE_AWAY
from app.keys.authentication import KeyRefusedError


class LateBodies:
    """Middleware that refuses a body of which the end has come after the end of its key.

    The key was let in by the head alone, and whoever sends slowly chooses when the rest comes: what the
    request asks for would be done up to 30 s after the key was revoked.

    It stands just outside of `BodyLimit`, which asks for nothing here where the request has come whole, as
    nearly all have: so the database is asked once more only for a body that was waited for. A notice that
    keys have ended would be for free, but those of other processes come later than the end itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Guard `app`, which may admit somebody itself, as the pages do."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a `receive` that gives the last of the body only to who is let in."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def checked() -> Message:
            message = await receive()
            admission: Admission | None = state.get("admission")
            is_last = message["type"] == "http.request" and not message.get("more_body", False)
            if is_last and admission is not None:
                await _require_let_in(admission, scope)
            return message

        await self._app(scope, checked, send)


async def _require_let_in(admission: Admission, scope: Scope) -> None:
    try:
        await admission.check()
    except (KeyRefusedError, Problem, *DATABASE_AWAY) as error:
        raise UnreadError(problem_of(Request(scope), error) or database_away()) from None
