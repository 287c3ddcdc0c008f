"""Who may call `/v1`: checked before anything else of a request is looked at, its path included."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.admission import Admission, still_let_in
from app.api.context import CloudPressChecks, Context, ContextDep
from app.api.middleware.guessing import Guesses
from app.api.middleware.places import offered, places_of
from app.api.middleware.rate_limit import RateLimiter
from app.api.problems.kinds import database_away, unauthorized
from app.api.problems.problem import Problem
from app.db.errors import DATABASE_AWAY
from app.db.sharing import reader
from app.keys.authentication import KeyRefusedError, authenticate, require_form
from app.keys.form import digest_of
from app.keys.grants import Grant
from app.keys.grants import Scope as KeyScope
from app.secrets import same_key

GUARDED = "/v1"
CALLBACKS = "/v1/callbacks/"
METRICS = "/metrics"
NO_KEY = "no key"
MOST_READERS = 100
BOOTSTRAP = Grant("bootstrap", "API_KEY")
"""The environment's key, which may do everything."""

# What describes the scheme in the OpenAPI document; the middleware below is what checks.
_described = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer <key>`.")


class Authentication:
    """Middleware that answers 401 to `/metrics` and everything under `/v1` but callbacks without a key.

    It stands before the router, so that who is not let in cannot tell an address that exists from one
    that does not.
    """

    def __init__(self, app: ASGIApp, *, context: Context, limiter: RateLimiter | None) -> None:
        """Guard `app`; with a `limiter`, hold back keys that ask too often."""
        self._app = app
        self._guesses = Guesses()
        self._readers: dict[str, Grant] = {}
        """The keys that have read metrics, by their digests."""
        self._context = context
        self._limiter = limiter
        key = context.settings.api_key
        self._bootstrap_key = key.get_secret_value() if key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 401 or 429."""
        if scope["type"] != "http" or not is_guarded(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            grant = await self._grant(scope)
        except KeyRefusedError as error:
            self._context.refuse_key(str(error))
            if str(error) != NO_KEY and (seconds := self._guesses.wait_seconds(_address(scope))):
                await hold_back(scope, seconds)
            await unauthorized().response()(scope, receive, send)
            return
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        except DATABASE_AWAY:
            await database_away().response()(scope, receive, send)
            return
        structlog.contextvars.bind_contextvars(key=grant.name)
        reader.set(grant.identity)
        state = scope.setdefault("state", {})
        state["admission"] = Admission(grant, partial(self._grant, scope), places_of(scope))
        if self._limiter is None:
            await self._app(scope, receive, send)
        else:
            await self._limiter.pass_on(grant.identity, self._app, scope, receive, send)

    async def _grant(self, scope: Scope) -> Grant:
        presented = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(presented) != 1:
            raise KeyRefusedError("several keys" if presented else NO_KEY)
        scheme, _, key = presented[0].decode("latin-1").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise KeyRefusedError("no bearer key")
        if self._bootstrap_key is not None and same_key(key, self._bootstrap_key):
            return BOOTSTRAP
        require_form(key)
        if scope["path"] == METRICS:
            return await self._metrics_grant(key)
        return await self._stored_grant(key)

    async def _stored_grant(self, key: str) -> Grant:
        await self._context.require_migrated()
        return await authenticate(self._context.db, key)

    async def _metrics_grant(self, key: str) -> Grant:
        """Let a key read metrics that was let in before, while the database that knows it is away.

        That the database is away is what metrics have to tell then: refused, they would look like a service
        that is gone. They hold no secret, and an end of the key is heeded once the database is back.
        """
        digest = digest_of(key)
        known = self._readers.get(digest)
        if known is not None and self._context.db.outages.is_away:
            return known
        try:
            grant = await self._stored_grant(key)
        except DATABASE_AWAY:
            if known is None:
                raise
            return known
        except KeyRefusedError:
            self._readers.pop(digest, None)
            raise
        if len(self._readers) >= MOST_READERS:
            self._readers.pop(next(iter(self._readers)))
        self._readers[digest] = grant
        return grant


async def hold_back(scope: Scope, seconds: float) -> None:
    """Let an answer wait, which takes no place from anybody who need not wait."""
    with offered(scope):
        await asyncio.sleep(seconds)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_guarded(path: str) -> bool:
    """Tell whether a path needs an API key."""
    under = path == GUARDED or path.startswith(f"{GUARDED}/")
    return path == METRICS or (under and not path.startswith(CALLBACKS))


async def _admission(request: Request) -> AsyncGenerator[Admission]:
    """Give that the request was let in. A route that is not behind the middleware lets nobody in."""
    admission: Admission | None = getattr(request.state, "admission", None)
    if admission is None:
        raise unauthorized()
    async with still_let_in(request):
        yield admission


# Its end comes before the answer leaves. Pages look before it, to answer by a page.
AdmissionDep = Annotated[Admission, Depends(_admission, scope="function")]


async def _cloudpress(admission: AdmissionDep, context: ContextDep) -> CloudPressChecks:
    """Return CloudPress, to be asked for a request."""
    admission.waits = True
    return context.cloudpress


CloudPressDep = Annotated[CloudPressChecks, Depends(_cloudpress)]


async def _grant(admission: AdmissionDep, _described: Annotated[object, Depends(_described)]) -> Grant:
    """Return who calls."""
    return admission.grant


GrantDep = Annotated[Grant, Depends(_grant)]


def missing_scope(scope: KeyScope) -> Problem:
    """Return the answer to a key that may not do this."""
    return Problem(403, "missing-scope", f"This API key lacks the scope {scope}.", scope=str(scope))


def _needs(*scopes: KeyScope) -> Callable[[Grant], Awaitable[Grant]]:
    # Asynchronous as all of these are: what is not is called in a thread.
    async def check(grant: GrantDep) -> Grant:
        for scope in scopes:
            if scope not in grant.scopes:
                raise missing_scope(scope)
        return grant

    return check


OrdersReader = Annotated[Grant, Depends(_needs(KeyScope.ORDERS_READ))]
OrdersWriter = Annotated[Grant, Depends(_needs(KeyScope.ORDERS_WRITE))]
OrdersEraser = Annotated[Grant, Depends(_needs(KeyScope.ORDERS_ERASE))]
CredentialsReader = Annotated[Grant, Depends(_needs(KeyScope.CREDENTIALS_READ))]
AccountsWriter = Annotated[Grant, Depends(_needs(KeyScope.ACCOUNTS_WRITE))]
KeysWriter = Annotated[Grant, Depends(_needs(KeyScope.KEYS_WRITE))]
WebhooksWriter = Annotated[Grant, Depends(_needs(KeyScope.WEBHOOKS_WRITE))]
MetricsReader = Annotated[Grant, Depends(_needs(KeyScope.METRICS_READ))]


async def _whole(grant: MetricsReader) -> Grant:
    """Let in who may read what the service measures, and sees every account."""
    if grant.account_ids is not None:
        raise Problem(
            403, "beyond-own-key", "This concerns the whole service, and this API key is for some accounts."
        )
    return grant


WholeReader = Annotated[Grant, Depends(_whole)]
WebhooksTeller = Annotated[Grant, Depends(_needs(KeyScope.WEBHOOKS_WRITE, KeyScope.ORDERS_READ))]
"""Who has a say in what is told to whom: orders must not be told to who may not read them."""
