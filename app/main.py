"""Wires everything. `create_app` is the service; `Service` is what is in it beside HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import structlog
from fastapi import FastAPI

from app.api import callbacks, health, operating, orders, problems
from app.api.auth import Authentication
from app.api.context import CannotAsk, Context
from app.api.limits import BodyLimit
from app.cloudpress import CloudPress, CloudPressError, NotFound
from app.config import Settings
from app.db import DATABASE_AWAY, Clock, Database
from app.reconciler import OneProbe, Reconciler, Surroundings, UnknownAccountError
from app.schedule import Schedule
from app.schema import is_current
from app.secrets import CallbackSecrets, Encryption
from app.signals import Signals

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
        self.signals = Signals(self.db)
        self._cloudpress = CloudPress(
            settings.cloudpress_base_url,
            token=settings.cloudpress_api_token.get_secret_value(),
            account_id=settings.cloudpress_account_id,
            timeout_seconds=settings.upstream_timeout_seconds,
        )
        self._probed = OneProbe(self._cloudpress)
        self.world = Surroundings(
            db=self.db,
            providers=self._provider,
            callback_signer=self.callback_secrets,
            public_url=settings.public_url,
            schedule=Schedule(
                settings.callback_wait_seconds,
                settings.placement_grace_seconds,
                random or Random(),  # noqa: S311 - jitter, not secrets
            ),
            lease_seconds=settings.lease_seconds,
            upstream_timeout_seconds=settings.upstream_timeout_seconds,
            placing=settings.placing == "on",
        )

    def _provider(self, account_id: str) -> OneProbe:
        if account_id != self.settings.cloudpress_account_id:
            raise UnknownAccountError
        return self._probed

    async def cloudpress_has(self, account_id: str, cloudpress_order_id: str) -> bool:
        """Ask CloudPress whether an account has an order; `CannotAsk` if that is not to be had."""
        try:
            details = await self._provider(account_id).order(cloudpress_order_id)
        except (NotFound, ValueError):
            return False
        except (CloudPressError, UnknownAccountError):
            raise CannotAsk from None
        return details.value.account_id in {None, account_id}

    async def is_migrated(self) -> bool:
        """Ask the database whether it has this release's tables."""
        return await is_current(self.db)

    @asynccontextmanager
    async def run(self, *, reconcile: bool, on_death: Callable[[], None]) -> AsyncIterator[None]:
        """Run the parts while the block runs; `on_death` is called if the reconciler ends by itself."""
        async with self._cloudpress, self.signals.run():
            reconciling = asyncio.create_task(self._reconcile()) if reconcile else None
            if reconciling is not None:
                reconciling.add_done_callback(lambda task: self._reconciler_ended(task, on_death))
            try:
                yield
            finally:
                self.signals.stop()
                if reconciling is not None:
                    await asyncio.wait([reconciling])
        await self.db.dispose()

    async def _reconcile(self) -> None:
        await self._migrated()
        await Reconciler(self.world, self.signals).run(grace_seconds=DRAIN_SECONDS)

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

    def _reconciler_ended(self, task: asyncio.Task[None], on_death: Callable[[], None]) -> None:
        if self.signals.stopping.is_set() and (task.cancelled() or task.exception() is None):
            return
        error = None if task.cancelled() else task.exception()
        log.critical("reconciler_died", error=type(error).__name__)
        on_death()


def create_app(
    service: Service, *, reconcile: bool = True, on_death: Callable[[], None] = lambda: None
) -> FastAPI:
    """Return the HTTP service. Its lifespan runs the reconciler too, unless told not to."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with service.run(reconcile=reconcile, on_death=on_death):
            yield

    app = FastAPI(
        title="Presshook",
        summary="Orders WordPress sites from CloudPress and keeps track of them.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    settings = service.settings
    app.state.context = Context(
        settings=settings,
        db=service.db,
        signals=service.signals,
        callback_secrets=service.callback_secrets,
        is_migrated=service.is_migrated,
        cloudpress_has=service.cloudpress_has,
    )
    problems.install(app)
    app.add_middleware(BodyLimit)
    key = settings.api_key.get_secret_value() if settings.api_key else None
    app.add_middleware(Authentication, api_key=key)
    for part in (orders, operating, callbacks, health):
        app.include_router(part.router)
    return app
