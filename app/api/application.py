"""The application: what stands around the routes, in its order, and what is answered before all of it."""

from urllib.parse import unquote, urlsplit

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from app.api.auth import Authentication
from app.api.context import Context
from app.api.description import describe
from app.api.middleware.body_limit import BodyLimit
from app.api.middleware.callbacks import Callbacks
from app.api.middleware.defects import Defects
from app.api.middleware.head import Head
from app.api.middleware.headers import Headers
from app.api.middleware.late_bodies import LateBodies
from app.api.middleware.rate_limit import RateLimiter
from app.api.middleware.severable import Severable
from app.api.middleware.under_path import UnderPath
from app.api.problems import answering
from app.api.query import require_known_parameters
from app.api.repeated_headers import require_headers_once
from app.api.repeated_names import require_names_once
from app.api.routes import (
    accounts,
    callbacks,
    catalog,
    checks,
    docs,
    events,
    health,
    keys,
    metrics,
    orphans,
    webhooks,
)
from app.api.routes.orders import listing, operating, placing, suspecting
from app.api.shared_routes import shared_routes

_ROUTES_OF_CLIENTS = shared_routes(
    listing.router,
    placing.router,
    operating.router,
    suspecting.router,
    events.router,
    webhooks.router,
    orphans.router,
    catalog.router,
    accounts.router,
    keys.router,
    checks.router,
    dependencies=(
        Depends(require_known_parameters),
        Depends(require_headers_once),
        Depends(require_names_once),
    ),
)
_ROUTES = (*_ROUTES_OF_CLIENTS, *shared_routes(callbacks.router, health.router, metrics.router))
_ROUTES_OF_WORKERS = shared_routes(health.router, metrics.router)
ALLOWED_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Prefer",
    "If-None-Match",
    "Last-Event-ID",
    "X-Request-ID",
    "traceparent",
]
ALLOWED_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
EXPOSED_HEADERS = [
    "Location",
    "ETag",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
]


class Application(FastAPI):
    """FastAPI's application behind the way in for callbacks."""

    _entrance: Callbacks | None = None

    def receive_callbacks(self, context: Context, *, path: str) -> None:
        """Answer callbacks before anything else has a look, also below `path`, as `UnderPath` does."""
        self._entrance = Callbacks(super().__call__, context=context, path=path)

    def choose(self, scope: Scope) -> ASGIApp:
        """Return what answers a request, an `Answer` where its head alone condemns it."""
        return super().__call__ if self._entrance is None else self._entrance.choose(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self.choose(scope)(scope, receive, send)


def create_api(context: Context, lifespan: Lifespan[FastAPI]) -> Application:
    """Return the service's API. `lifespan` runs what works beside it."""
    app = Application(
        title="Presshook",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    path = urlsplit(context.settings.public_url).path.rstrip("/")
    describe(app, path=path)
    answering.install(app)
    _surround(app, context, path)
    app.receive_callbacks(context, path=unquote(path))
    app.router.routes += (*_ROUTES, *docs.routes(app.title, path))
    return app


def _surround(app: Application, context: Context, path: str) -> None:
    """Add the middlewares, from the inside out."""
    settings = context.settings
    app.add_middleware(BodyLimit)
    app.add_middleware(LateBodies)
    limiter = app.state.limiter = RateLimiter(settings.rate) if settings.rate else None
    app.add_middleware(Authentication, context=context, limiter=limiter)
    app.add_middleware(Defects)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=ALLOWED_METHODS,
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(Head)
    app.add_middleware(Headers, metrics=context.metrics)
    app.add_middleware(Severable)
    app.add_middleware(UnderPath, path=path)


def create_worker_api(context: Context) -> FastAPI:
    """Return what a process that only works answers by HTTP: whether it lives, is ready, and its metrics."""
    app = FastAPI(title="Presshook worker", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.context = context
    answering.install(app)
    app.add_middleware(Authentication, context=context, limiter=None)
    app.add_middleware(Head)
    app.add_middleware(Headers, metrics=context.metrics)
    app.router.routes += _ROUTES_OF_WORKERS
    return app
