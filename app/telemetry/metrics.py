"""What Prometheus reads of one process. Recording never raises: no metric may change an answer or a loop.

Names end in base units. No label ever holds an account, an order, an address or a word of the provider's:
every value is one of ours, so that their number is bounded.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from app.states import FINAL
from app.telemetry.series import Counter, Histogram
from app.version import VERSION

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PROVIDER_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60)
CALLBACK_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300)
ORDER_SECONDS = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21_600, 86_400, 604_800)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The counters, gauges and histograms of one process."""

    def __init__(self, *, role: str = "serve", database: str = "sqlite") -> None:
        """Prepare. `role` is serve, api or worker; `database` is sqlite or postgresql."""
        self._registry = registry = CollectorRegistry()
        Gauge(
            "presshook_build_info",
            "The release that runs, what it does and on which database.",
            ["version", "role", "database"],
            registry=registry,
        ).labels(VERSION, role, database).set(1)
        self._measure_requests(registry)
        self._measure_passes(registry)
        self._measure_deliveries(registry)
        self._measure_orders(registry)
        self._measure_batches(registry)
        self._lag.of()
        self._begin_at_zero()

    def _measure_requests(self, registry: CollectorRegistry) -> None:
        """Prepare what is told of requests and callbacks."""
        self._requests = Histogram(
            "presshook_http_request_duration_seconds",
            "Requests that wait for nothing but their own work.",
            ["method", "route", "status"],
            registry,
            buckets=REQUEST_SECONDS,
        )
        self._waits = Histogram(
            "presshook_http_wait_duration_seconds",
            "Streams and requests that wait for an order to change.",
            ["method", "route", "status"],
            registry,
            buckets=REQUEST_SECONDS,
        )
        self._callbacks = Counter(
            "presshook_callbacks",
            "Callbacks by what became of them; the reason is why one was refused.",
            ["outcome", "reason"],
            registry,
        )

    def _measure_passes(self, registry: CollectorRegistry) -> None:
        """Prepare what is told of CloudPress's answers and of the reconciler's passes."""
        self._provider = Histogram(
            "presshook_cloudpress_request_duration_seconds",
            "Requests to CloudPress, each with its whole answer.",
            ["operation", "outcome"],
            registry,
            buckets=PROVIDER_SECONDS,
        )
        self._placements = Counter(
            "presshook_placements",
            "Requests that place an order, by how they ended.",
            ["outcome"],
            registry,
        )
        self._passes = Counter(
            "presshook_passes",
            "Passes of the reconciler, by what they did and the status that came of it.",
            ["action", "outcome"],
            registry,
        )
        self._pass_seconds = Histogram(
            "presshook_pass_duration_seconds",
            "How long a pass over one order takes, CloudPress's answers included.",
            ["action", "outcome"],
            registry,
            buckets=PROVIDER_SECONDS,
        )

    def _measure_deliveries(self, registry: CollectorRegistry) -> None:
        """Prepare what is told of webhooks."""
        self._attempts = Counter(
            "presshook_webhook_attempts",
            "Attempts to deliver an event to a webhook.",
            ["outcome"],
            registry,
        )
        self._attempt_seconds = Histogram(
            "presshook_webhook_attempt_duration_seconds",
            "How long an attempt to deliver takes.",
            ["outcome"],
            registry,
            buckets=PROVIDER_SECONDS,
        )
        self._lag = Histogram(
            "presshook_event_delivery_lag_seconds",
            "From the commit of an event to the webhook's yes.",
            (),
            registry,
            buckets=(*PROVIDER_SECONDS, 300, 3600, 86_400),
        )

    def _measure_orders(self, registry: CollectorRegistry) -> None:
        """Prepare what is told of orders that are final."""
        self._since_callback = Histogram(
            "presshook_callback_to_final_seconds",
            "From an order's last callback to its being final.",
            ["outcome"],
            registry,
            buckets=CALLBACK_SECONDS,
        )
        self._order_seconds = Histogram(
            "presshook_order_duration_seconds",
            "From the acceptance of an order to its being final.",
            ["outcome"],
            registry,
            buckets=ORDER_SECONDS,
        )

    def _measure_batches(self, registry: CollectorRegistry) -> None:
        """Prepare what is told of what is written together."""
        self._batch_size = Histogram(
            "presshook_batch_size",
            "How many were written together.",
            ["kind"],
            registry,
            buckets=BATCH_SIZES,
        )
        self._batch_seconds = Histogram(
            "presshook_batch_commit_seconds",
            "How long writing them together took, the commit included.",
            ["kind"],
            registry,
            buckets=REQUEST_SECONDS,
        )
        self._pruned = Counter(
            "presshook_pruned_orders",
            "Old orders that were pruned: cleared to a tombstone, or stripped of their events.",
            ["step"],
            registry,
        )

    def _begin_at_zero(self) -> None:
        """Tell at once what alerts count: of a counter that begins with 20, Prometheus sees no increase."""
        for outcome in ("accepted", "repeated"):
            self._callbacks.of(outcome, "")
        for reason in ("wrong authorization", "no authorization", "no such order"):
            self._callbacks.of("refused", reason)
        for outcome in sorted(FINAL):
            self._order_seconds.of(str(outcome))

    def request(self, method: str, route: str | None, status: int, seconds: float, *, waits: bool) -> None:
        """Count a request by its route, None for an address that is none of ours."""
        try:
            told = self._waits if waits else self._requests
            told.of(method if method in METHODS else "other", route or "none", status).observe(seconds)
        except Exception:  # noqa: BLE001, S110 - no metric may change an answer
            pass

    def callback(self, outcome: str, reason: str = "") -> None:
        """Count a callback: accepted, repeated or refused, and why."""
        try:  # noqa: SIM105 - as above
            self._callbacks.of(outcome, reason).inc()
        except Exception:  # noqa: BLE001, S110 - no metric may change an answer
            pass

    def provider(self, operation: str, outcome: str, seconds: float) -> None:
        """Count a request to CloudPress."""
        with suppress(Exception):
            self._provider.of(operation, outcome).observe(seconds)
            if operation == "place":
                self._placements.of(outcome).inc()

    def passed(self, action: str, outcome: str, seconds: float) -> None:
        """Count a pass."""
        with suppress(Exception):
            self._passes.of(action, outcome).inc()
            self._pass_seconds.of(action, outcome).observe(seconds)

    def attempt(self, outcome: str, seconds: float, *, lag_seconds: float | None) -> None:
        """Count an attempt to deliver; `lag_seconds` is the age of the event that was taken."""
        with suppress(Exception):
            self._attempts.of(outcome).inc()
            self._attempt_seconds.of(outcome).observe(seconds)
            if lag_seconds is not None:
                self._lag.of().observe(max(0.0, lag_seconds))

    def finished(self, outcome: str, seconds: float, *, since_callback_seconds: float | None) -> None:
        """Count an order that has become final, so long after it was accepted and after its last callback."""
        with suppress(Exception):
            self._order_seconds.of(outcome).observe(max(0.0, seconds))
            if since_callback_seconds is not None:
                self._since_callback.of(outcome).observe(max(0.0, since_callback_seconds))

    def pruned(self, step: str, count: int) -> None:
        """Count old orders that were cleared or stripped."""
        with suppress(Exception):
            self._pruned.of(step).inc(count)

    def batch(self, kind: str, size: int, seconds: float) -> None:
        """Count what was written in one transaction."""
        with suppress(Exception):
            self._batch_size.of(kind).observe(size)
            self._batch_seconds.of(kind).observe(seconds)

    def watch(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        """Tell a gauge that is read when it is asked for."""
        Gauge(name, sentence, registry=self._registry).set_function(value)

    def watch_count(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        """Tell a counter that another part counts; its name ends in `_total`."""
        self._registry.register(_Counted(name, sentence, value))

    def text(self, collectors: Iterable[Collector] = ()) -> bytes:
        """Return all of it as Prometheus reads it, with what `collectors` tell beside it."""
        shared = CollectorRegistry()
        for collector in collectors:
            shared.register(collector)
        return generate_latest(self._registry) + generate_latest(shared)


class _Counted(Collector):
    """A counter that is read when it is asked for."""

    def __init__(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        self._name, self._sentence, self._value = name, sentence, value

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(self._name, self._sentence, value=self._value())


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
