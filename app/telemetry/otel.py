"""OpenTelemetry behind `tracing`: imported only where traces are wanted."""

from contextlib import AbstractContextManager, suppress
from threading import Thread
from types import TracebackType

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.version import VERSION

# A collector that does not answer must not hold up the end of the process.
LAST_SECONDS = 2.0
PREFIX = "presshook."
KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
_w3c = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Makes spans and has them exported; every setting is OpenTelemetry's own."""

    def __init__(self, role: str) -> None:
        """Set the SDK up by the environment."""
        resource = Resource.create({"service.version": VERSION, f"{PREFIX}role": role})
        if resource.attributes.get("service.name", "").startswith("unknown_service"):  # type: ignore[union-attr]
            resource = resource.merge(Resource({"service.name": "presshook"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("presshook", VERSION)

    def span(
        self, name: str, kind: str, parent: str | None, *, is_root: bool
    ) -> AbstractContextManager["OneSpan"]:
        """Return a span that lasts as long as its block."""
        within: Context | None = None
        if parent is not None:
            within = _w3c.extract({"traceparent": parent}, context=Context())
        elif is_root:
            within = Context()
        return OneSpan(self._tracer, name, KINDS[kind], within)

    def current(self) -> str | None:
        """Return the current span as a W3C `traceparent`."""
        carrier: dict[str, str] = {}
        _w3c.inject(carrier)
        return carrier.get("traceparent")

    def end(self) -> None:
        """Send what was told, if that can be done soon."""
        ending = Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(LAST_SECONDS)


class OneSpan(AbstractContextManager["OneSpan"]):
    """A span that lasts as long as its block. An error is told by its kind: its text may hold anything."""

    def __init__(self, tracer: trace.Tracer, name: str, kind: SpanKind, within: Context | None) -> None:
        """Prepare; it begins with the block."""
        self._begin = (tracer, name, kind, within)
        self._span: trace.Span = trace.INVALID_SPAN

    def __enter__(self) -> "OneSpan":
        """Begin."""
        tracer, name, kind, within = self._begin
        with suppress(Exception):
            self._span = tracer.start_span(name, context=within, kind=kind)
        self._token = context.attach(trace.set_span_in_context(self._span, within))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        """End."""
        with suppress(Exception):
            if kind is not None:
                self._span.set_status(Status(StatusCode.ERROR, kind.__name__))
            context.detach(self._token)
            self._span.end()

    def name(self, name: str) -> None:
        """Name it by what it turned out to be."""
        with suppress(Exception):
            self._span.update_name(name)

    def tell(self, **attributes: str | int) -> None:
        """Tell more of it."""
        with suppress(Exception):
            self._span.set_attributes({f"{PREFIX}{name}": value for name, value in attributes.items()})

    def link(self, traceparent: str) -> None:
        """Say that it follows from something in another trace."""
        with suppress(Exception):
            found = trace.get_current_span(_w3c.extract({"traceparent": traceparent}, context=Context()))
            linked: SpanContext = found.get_span_context()
            if linked.is_valid:
                self._span.add_link(linked)
