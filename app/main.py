"""Wires everything. `create_app` is the service; `Service` is what is in it beside HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from random import Random

import structlog
from fastapi import FastAPI

from app.accounts.catalog import Catalogs
from app.accounts.clients import AccountClients
from app.accounts.store import UnknownAccountError
from app.accounts.told import ToldOrder
from app.api.application import Application, create_api, create_worker_api
from app.api.context import CannotAsk, Catalog, Context
from app.cloudpress import CloudPressError, Refused
from app.config.settings import Settings
from app.dashboard import application as dashboard
from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.events.feed import Feed
from app.maintenance.doctor.repeating import Repeating
from app.maintenance.fitness import Usability, require_readable
from app.maintenance.old_orders import first_overdue
from app.maintenance.retention import Pruner
from app.maintenance.schema import is_current
from app.queue.heartbeats import Heartbeats
from app.queue.pausing import pause
from app.queue.signals import Signals
from app.reconciler import Dependencies, Reconciler
from app.reconciler.orphan_search import OrphanSearch
from app.schedule import Schedule
from app.secrets import CallbackSecrets, Encryption, ProgressAddresses
from app.telemetry.metrics import Metrics
from app.telemetry.snapshot import Retention, Snapshots
from app.version import VERSION
from app.webhooks.deliverer import Deliverer
from app.webhooks.sender import HttpSender

SCHEMA_POLL_SECONDS = 2.0
DRAIN_SECONDS = 6.0
# The reconciler comes round at least every 10 s. One that is stuck moves nothing: it must not pass for alive.
STUCK_SECONDS = 30.0

log = structlog.get_logger()


class Service:
    """The database, the signals, the provider and the reconciler of one process."""

    def __init__(
        self,
        settings: Settings,
        *,
        db: Database | None = None,
        random: Random | None = None,
        role: str = "serve",
    ) -> None:
        """Wire the parts; `run` brings them to life. `role` is what metrics say that the process does."""
        self.settings = settings
        self.callback_secrets = CallbackSecrets(settings.secret_keys)
        self.db = db or Database(settings.database, Encryption(settings.secret_keys))
        self.random = random or Random()  # noqa: S311 - jitter, not secrets
        self.usability = Usability(self.db)
        self.signals = Signals(self.db)
        self.feed = Feed(self.db, self.signals)
        self.metrics = Metrics(role=role, database="sqlite" if self.db.is_sqlite else "postgresql")
        self.heartbeats = Heartbeats(self.db, role=role, version=VERSION, placing=settings.placing == "on")
        self._watch_process()
        self.clients = AccountClients(settings, self.db, self.metrics)
        self.catalogs = Catalogs(self.clients)
        self.sender = HttpSender(settings.webhook_allowance)
        self.dependencies = Dependencies(
            db=self.db,
            providers=self.clients.of,
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
            may_place_again=settings.place_again == "proven",
            measure_batch=partial(self.metrics.batch, "passes"),
        )

    def _watch_process(self) -> None:
        """Have metrics tell of what this process holds open."""
        watch = self.metrics.watch
        watch("presshook_streams", "Streams of events that are open.", lambda: self.feed.listeners)
        self.metrics.watch_count(
            "presshook_streams_dropped_total",
            "Streams that were ended because their reader was too slow.",
            lambda: self.feed.dropped,
        )
        watch("presshook_db_pool_in_use", "Connections in use.", self.db.connections_in_use)
        if not self.db.is_sqlite:
            watch(
                "presshook_listen_up",
                "Whether PostgreSQL tells of what other replicas commit.",
                lambda: self.signals.listening,
            )

    async def is_migrated(self) -> bool:
        """Ask the database whether it has this release's tables."""
        return await is_current(self.db)

    @asynccontextmanager
    async def run(self, *, reconcile: bool, on_death: Callable[[], None]) -> AsyncIterator[None]:
        """Run the parts while the block runs; `on_death` is called if any of them ends by itself."""
        try:
            async with self.db.cutting_stalls(self.signals.stopping):
                async with self._running(reconcile=reconcile, on_death=on_death):
                    yield
                await self.db.dispose()
        except BaseException:
            # One of the parts has failed and taken the others along: the process must not go on without.
            on_death()
            raise

    @asynccontextmanager
    async def _running(self, *, reconcile: bool, on_death: Callable[[], None]) -> AsyncIterator[None]:
        async with (
            aclosing(self.clients),
            aclosing(self.catalogs),
            self.signals.run(),
            self.feed.run(),
            self.heartbeats.run(self.is_migrated),
        ):
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

    async def _work(self) -> None:
        """Move orders and deliver events until the signals say stop. If one of the parts dies, all end."""
        await self._migrated()
        reconciler = Reconciler(
            self.dependencies,
            self.signals,
            account_concurrency=self.settings.account_concurrency,
            metrics=self.metrics,
        )
        deliverer = Deliverer(self.db, self.signals, self.sender, random=self.random, metrics=self.metrics)
        self._watch(reconciler, deliverer)
        self.heartbeats.tell(lambda: time.monotonic() - reconciler.turned_at < STUCK_SECONDS)
        search = OrphanSearch(
            self.db,
            self.clients.of,
            self.signals,
            own_account_id=self.settings.cloudpress_account_id,
            grace_seconds=self.settings.placement_grace_seconds,
        )
        repeating = Repeating(self.settings, self.db, self.signals.stopping)
        days = self.settings.retention_days
        async with asyncio.TaskGroup() as tasks:
            if days is not None:
                tasks.create_task(Pruner(self.db, days, self.metrics).run(self.signals.stopping))
            tasks.create_task(search.run())
            tasks.create_task(repeating.run())
            tasks.create_task(reconciler.run(grace_seconds=DRAIN_SECONDS))
            tasks.create_task(deliverer.run(grace_seconds=DRAIN_SECONDS))

    def _watch(self, reconciler: Reconciler, deliverer: Deliverer) -> None:
        """Have metrics tell how busy the workers are."""
        self.metrics.watch("presshook_slots", "Passes that may run at a time.", lambda: reconciler.slots)
        self.metrics.watch("presshook_slots_used", "Passes that run.", lambda: len(reconciler.running))
        self.metrics.watch(
            "presshook_deliveries_running", "Attempts to deliver that run.", lambda: len(deliverer.running)
        )

    async def _migrated(self) -> None:
        """Wait until the database is migrated: a reconciler on older tables would do harm.

        Raises:
            UndecryptableError: it was written under another SECRET_KEY.
        """
        is_said = False
        while not self.signals.stopping.is_set():
            try:
                if await self.is_migrated():
                    await require_readable(self.db)
                    return
                if not is_said:
                    log.warning("database_behind", detail="run `presshook migrate`")
                is_said = True
            except DATABASE_AWAY:
                is_said = False  # why it is away is told where it is noticed
            await pause(SCHEMA_POLL_SECONDS, until=self.signals.stopping)

    def _workers_ended(self, task: asyncio.Task[None], on_death: Callable[[], None]) -> None:
        if self.signals.stopping.is_set() and (task.cancelled() or task.exception() is None):
            return
        error = None if task.cancelled() else task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        try:
            log.critical("reconciler_died", error=type(error).__name__)
        finally:
            on_death()


class _Checks:
    """What the API asks CloudPress itself, with the one error that it knows."""

    def __init__(self, clients: AccountClients, catalogs: Catalogs) -> None:
        self._clients = clients
        self._catalogs = catalogs

    async def has_order(self, account_id: str, cloudpress_order_id: str) -> bool:
        """Ask whether an account has an order."""
        with _cannot_ask():
            return await self._clients.has_order(account_id, cloudpress_order_id)

    async def tell_order(self, account_id: str, cloudpress_order_id: str) -> ToldOrder | None:
        """Ask what an account's order is."""
        with _cannot_ask():
            return await self._clients.tell_order(account_id, cloudpress_order_id)

    async def refusal_of_token(self, account_id: str, token: str) -> str | None:
        """Ask whether CloudPress takes a token."""
        with _cannot_ask():
            return await self._clients.refusal_of_token(account_id, token)

    async def catalog(self, account_id: str) -> Catalog:
        """Return what an account can order."""
        with _cannot_ask():
            return await self._catalogs.catalog(account_id)

    def fresh_catalog(self, account_id: str) -> Catalog | None:
        """Return the same if it is at hand."""
        return self._catalogs.fresh_catalog(account_id)


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


def create_worker_app(service: Service) -> FastAPI:
    """Return what a process that only works answers by HTTP."""
    return create_worker_api(_context(service, heartbeat_seconds=15.0))


def _retention(days: float | None) -> Retention | None:
    """Return what metrics have to know of retention; None if it is off."""
    if days is None:
        return None
    return Retention(timedelta(days=days), lambda now: first_overdue(now, days))


def _context(service: Service, *, heartbeat_seconds: float) -> Context:
    return Context(
        settings=service.settings,
        db=service.db,
        signals=service.signals,
        callback_secrets=service.callback_secrets,
        is_migrated=service.is_migrated,
        prove_usable=service.usability.prove,
        feed=service.feed,
        heartbeat_seconds=heartbeat_seconds,
        cloudpress=_Checks(service.clients, service.catalogs),
        metrics=service.metrics,
        snapshots=Snapshots(service.db, _retention(service.settings.retention_days)),
        heartbeats=service.heartbeats,
        progress_addresses=ProgressAddresses(service.settings.secret_keys),
    )


def create_app(
    service: Service,
    *,
    reconcile: bool = True,
    on_death: Callable[[], None] = lambda: None,
    heartbeat_seconds: float = 15.0,
) -> Application:
    """Return the HTTP service. Its lifespan runs the reconciler too, unless told not to.

    `heartbeat_seconds` is how often open streams say that they are alive.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with service.run(reconcile=reconcile, on_death=on_death):
            yield

    context = _context(service, heartbeat_seconds=heartbeat_seconds)
    api = create_api(context, lifespan)
    dashboard.install(api, context)
    return api
