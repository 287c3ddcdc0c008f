"""Logging: one line per event, JSON unless a person reads along, library loggers above DEBUG."""

import logging
from contextlib import suppress
from functools import cache
from typing import Any, TextIO, cast

import structlog

from app.plain import plain
from app.telemetry.sink import Sink
from app.telemetry.tracing import add_trace_id

STANDARD_ERROR = 2
_filtering: Any = structlog.make_filtering_bound_logger(logging.INFO)


class Unfailing(_filtering):  # type: ignore[misc]
    """A logger whose lines may be lost but change nothing: not an answer, not a loop, not an ending."""

    def _proxy_to_logger(self, *arguments: object, **named: object) -> None:
        with suppress(Exception):
            super()._proxy_to_logger(*arguments, **named)


def configure_logging() -> None:
    """Send this program's and its libraries' log to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    sink = standard_error()
    for_people = sink.isatty()
    if for_people:  # JSON spells controls out by itself
        shared.append(_as_plain)
    renderer: structlog.typing.Processor = (
        # The pretty traceback shows local variables, secrets included.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if for_people
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", sink)),
        wrapper_class=Unfailing,
        cache_logger_on_first_use=False,
    )
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ]
            if not for_people
            else [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for noisy in (
        "httpx",
        "httpcore",
        "sqlalchemy",
        "alembic",
        "aiosqlite",
        "psycopg",
        "opentelemetry",
        "urllib3",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@cache
def standard_error() -> Sink:
    """Return where this process's log goes."""
    return Sink(STANDARD_ERROR)


def _as_plain(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Let no text that came from elsewhere be obeyed by the terminal that the log is read on."""
    return {name: plain(value) if isinstance(value, str) else value for name, value in event.items()}
