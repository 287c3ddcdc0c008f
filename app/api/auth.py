"""Who may call `/v1`: checked before anything else of a request is looked at, its path included."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import unauthorized
from app.secrets import same_key

GUARDED = "/v1"
CALLBACKS = "/v1/callbacks/"


@dataclass(frozen=True)
class Client:
    """Whose API key was presented. `identity` outlives the key and owns its idempotency keys."""

    identity: str


class Authentication:
    """Middleware that answers 401 to everything under `/v1` but callbacks, unless a key is accepted.

    It stands before the router, so that who is not let in cannot tell an address that exists from one
    that does not.
    """

    def __init__(self, app: ASGIApp, *, api_key: str | None) -> None:
        """Guard `app`; without an `api_key` nobody is let in."""
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 401."""
        if scope["type"] == "http" and is_guarded(scope["path"]):
            client = self._client(scope)
            if client is None:
                await unauthorized().response()(scope, receive, send)
                return
            scope.setdefault("state", {})["client"] = client
        await self._app(scope, receive, send)

    def _client(self, scope: Scope) -> Client | None:
        presented = [value for name, value in scope["headers"] if name == b"authorization"]
        if self._api_key is None or len(presented) != 1:
            return None
        scheme, _, key = presented[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not same_key(key.strip(), self._api_key):
            return None
        return Client("bootstrap")


def is_guarded(path: str) -> bool:
    """Tell whether a path needs an API key."""
    under = path == GUARDED or path.startswith(f"{GUARDED}/")
    return under and not path.startswith(CALLBACKS)


def _client(request: Request) -> Client:
    """Return who calls. A route that is not behind the middleware lets nobody in."""
    client = getattr(request.state, "client", None)
    if client is None:
        raise unauthorized()
    return cast("Client", client)


ClientDep = Annotated[Client, Depends(_client)]
