"""Traces, where `OTEL_*` asks for them and `presshook[otel]` is installed. Else nothing of it is imported.

A span holds words of ours and ids of orders: no account, no name, no address, and no text of anybody else's.
Nothing here raises, and nothing waits: what cannot be told is lost.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

import structlog

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"

log = structlog.get_logger()


class Span(Protocol):
    """Something that takes a while."""

    def name(self, name: str) -> None:
        """Name it by what it turned out to be."""

    def tell(self, **attributes: str | int) -> None:
        """Tell more of it."""

    def link(self, traceparent: str) -> None:
        """Say that it follows from something in another trace."""


class Tracer(Protocol):
    """What makes spans."""

    def span(
        self, name: str, kind: str, parent: str | None, *, is_root: bool
    ) -> AbstractContextManager[Span]: ...

    def current(self) -> str | None: ...

    def end(self) -> None: ...


class _NoSpan:
    """Stands for a span where nothing is traced."""

    def name(self, name: str) -> None: ...

    def tell(self, **attributes: str | int) -> None: ...

    def link(self, traceparent: str) -> None: ...


NO_SPAN: Span = _NoSpan()
_NOTHING: AbstractContextManager[Span] = nullcontext(NO_SPAN)
_tracers: list[Tracer] = []
"""The one that makes spans; none where nothing is traced."""


def start(*, role: str, environment: Mapping[str, str] = os.environ) -> None:
    """Trace from now on, if the environment asks for it."""
    if not is_wanted(environment):
        return
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), HTTP)
    if protocol != HTTP:
        log.warning("tracing_off", detail=f"OTEL_EXPORTER_OTLP_PROTOCOL has to be {HTTP}")
        return
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        log.warning("tracing_off", detail="OTEL_* asks for traces: pip install 'presshook[otel]'")
        return
    try:
        _tracers[:] = [import_module("app.telemetry.otel").OpenTelemetry(role)]
    except Exception as error:  # noqa: BLE001 - what OTEL_* may say is not ours, and no reason not to work
        log.warning("tracing_off", detail=f"OpenTelemetry cannot be set up ({type(error).__name__})")


@contextmanager
def traced(role: str) -> Iterator[None]:
    """Trace while the block runs, if the environment asks for it."""
    start(role=role)
    try:
        yield
    finally:
        stop()


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Tell whether OpenTelemetry's own variables ask for traces to be exported."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    return exporter == "otlp" or (not exporter and any(environment.get(name) for name in ENDPOINTS))


def stop() -> None:
    """Trace no longer; what was told is sent if that can be done soon."""
    while _tracers:
        _tracers.pop().end()


def is_on() -> bool:
    """Tell whether anything is traced, so that what only a span needs is not read otherwise."""
    return bool(_tracers)


def span(
    name: str, *, kind: str = "internal", parent: str | None = None, is_root: bool = False
) -> AbstractContextManager[Span]:
    """Return a block that is a span: within `parent` (W3C `traceparent`), else within the current one.

    `kind` is internal, server or client. With `is_root` it begins a trace of its own if it has no `parent`.
    """
    if not _tracers:
        return _NOTHING
    return _tracers[0].span(name, kind, parent, is_root=is_root)


def current() -> str | None:
    """Return the current span as a W3C `traceparent`, None if there is none."""
    return _tracers[0].current() if _tracers else None


def add_trace_id(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Have a line of the log name the trace that it belongs to."""
    traceparent = current()
    if traceparent is not None:
        event["trace_id"] = traceparent.split("-")[1]
    return event
