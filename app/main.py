"""Wires everything. `create_app` is the service; `Service` is what is in it beside HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from random import Random

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app.accounts import UnknownAccountError
from app.api import (
    accounts,
    callbacks,
    catalog,
    docs,
    health,
    keys,
    listing,
    operating,
    orders,
    problems,
    streaming,
    webhooks,
)
from app.api.auth import Authentication
from app.api.connections import Severable
from app.api.context import CannotAsk, Catalog, Context
from app.api.description import describe
from app.api.headers import Headers
from app.api.limits import BodyLimit
from app.api.rate import RateLimiter
from app.cloudpress import CloudPressError, Refused
from app.config import Settings
from app.db import DATABASE_AWAY, Clock, Database
from app.feed import Feed
from app.providers import Providers
from app.reconciler import Reconciler, Surroundings
from app.schedule import Schedule
from app.schema import is_current
from app.secrets import CallbackSecrets, Encryption
from app.signals import Signals
from app.webhooks.deliverer import Deliverer
from app.webhooks.sender import HttpSender

SCHEMA_POLL_SECONDS = 2.0
DRAIN_SECONDS = 6.0

log = structlog.get_logger()


class Service:
    """The database, the signals, the provider and the reconciler of one process."""

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, random: Random | None = None
    ) -> None:
        """Wire the parts; `run` brings them to life."""
        self.settings = settings
        self.callback_secrets = CallbackSecrets(settings.secret_keys)
        self.db = Database(settings.database, Encryption(settings.secret_keys), clock=clock)
        self.random = random or Random()  # noqa: S311 - jitter, not secrets
        self.signals = Signals(self.db)
        self.feed = Feed(self.db, self.signals)
        self.providers = Providers(settings, self.db)
        self.sender = HttpSender(settings.webhook_allowance)
        self.world = Surroundings(
            db=self.db,
            providers=self.providers.of,
            callback_signer=self.callback_secrets,
            public_url=settings.public_url,
            schedule=Schedule(
                settings.callback_wait_seconds,
                settings.placement_grace_seconds,
                self.random,
            ),
            lease_seconds=settings.lease_seconds,
            upstream_timeout_seconds=settings.upstream_timeout_seconds,
            placing=settings.placing == "on",
        )

    async def is_migrated(self) -> bool:
        """Ask the database whether it has this release's tables."""
        return await is_current(self.db)

    @asynccontextmanager
    async def run(self, *, reconcile: bool, on_death: Callable[[], None]) -> AsyncIterator[None]:
        """Run the parts while the block runs; `on_death` is called if the reconciler ends by itself."""
        async with aclosing(self.providers), self.signals.run(), self.feed.run():
            working = asyncio.create_task(self._work()) if reconcile else None
            if working is not None:
                working.add_done_callback(lambda task: self._workers_ended(task, on_death))
            try:
                yield
            finally:
                self.signals.stop()
                if working is not None:
                    await asyncio.wait([working])
                await self.sender.aclose()
        await self.db.dispose()

    async def _work(self) -> None:
        """Move orders and deliver events until the signals say stop. If one of the two dies, both end."""
        await self._migrated()
        reconciler = Reconciler(self.world, self.signals)
        deliverer = Deliverer(self.db, self.signals, self.sender, random=self.random)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reconciler.run(grace_seconds=DRAIN_SECONDS))
            tasks.create_task(deliverer.run(grace_seconds=DRAIN_SECONDS))

    async def _migrated(self) -> None:
        """Wait until the database is migrated: a reconciler on older tables would do harm."""
        said = ""
        while not self.signals.stopping.is_set():
            state = "database_behind"
            try:
                if await self.is_migrated():
                    return
            except DATABASE_AWAY:
                state = "database_away"
            if state != said:
                log.warning(state, detail="run `presshook migrate`" if state == "database_behind" else None)
                said = state
            try:
                async with asyncio.timeout(SCHEMA_POLL_SECONDS):
                    await self.signals.stopping.wait()
            except TimeoutError:
                continue

    def _workers_ended(self, task: asyncio.Task[None], on_death: Callable[[], None]) -> None:
        if self.signals.stopping.is_set() and (task.cancelled() or task.exception() is None):
            return
        error = None if task.cancelled() else task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        log.critical("reconciler_died", error=type(error).__name__)
        on_death()


class _Checks:
    """What the API asks CloudPress itself, with the one error that it knows."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    async def has_order(self, account_id: str, cloudpress_order_id: str) -> bool:
        """Ask whether an account has an order."""
        with _cannot_ask():
            return await self._providers.has_order(account_id, cloudpress_order_id)

    async def refusal_of_token(self, account_id: str, token: str) -> str | None:
        """Ask whether CloudPress takes a token."""
        with _cannot_ask():
            return await self._providers.refusal_of_token(account_id, token)

    async def catalog(self, account_id: str) -> Catalog:
        """Return what an account can order."""
        with _cannot_ask():
            return await self._providers.catalog(account_id)

    def fresh_catalog(self, account_id: str) -> Catalog | None:
        """Return the same if it is at hand."""
        return self._providers.fresh_catalog(account_id)


@contextmanager
def _cannot_ask() -> Iterator[None]:
    try:
        yield
    except UnknownAccountError:
        raise CannotAsk("No API token is configured for the CloudPress account.") from None
    except Refused as error:
        raise CannotAsk(f"CloudPress answered {error.status}.") from None
    except CloudPressError:
        raise CannotAsk("CloudPress could not be asked.") from None


def create_app(
    service: Service,
    *,
    reconcile: bool = True,
    on_death: Callable[[], None] = lambda: None,
    heartbeat_seconds: float = 15.0,
) -> FastAPI:
    """Return the HTTP service. Its lifespan runs the reconciler too, unless told not to.

    `heartbeat_seconds` is how often open streams say that they are alive.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with service.run(reconcile=reconcile, on_death=on_death):
            yield

    app = FastAPI(
        title="Presshook",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    describe(app)
    settings = service.settings
    context = Context(
        settings=settings,
        db=service.db,
        signals=service.signals,
        callback_secrets=service.callback_secrets,
        is_migrated=service.is_migrated,
        feed=service.feed,
        heartbeat_seconds=heartbeat_seconds,
        cloudpress=_Checks(service.providers),
    )
    app.state.context = context
    problems.install(app)
    app.add_middleware(BodyLimit)
    limiter = RateLimiter(settings.rate) if settings.rate else None
    app.add_middleware(Authentication, context=context, limiter=limiter)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Prefer",
                "If-None-Match",
                "Last-Event-ID",
                "X-Request-ID",
            ],
            expose_headers=[
                "Location",
                "ETag",
                "Preference-Applied",
                "RateLimit",
                "RateLimit-Policy",
                "Retry-After",
                "X-Request-ID",
            ],
        )
    app.add_middleware(Headers)
    app.add_middleware(Severable)
    for part in (listing, orders, operating, streaming, webhooks, catalog, accounts, keys, callbacks, health):
        app.include_router(part.router)
    docs.install(app)
    return app
