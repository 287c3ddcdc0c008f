"""CloudPress, measured and traced: how long each request takes and how it ends."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.cloudpress import Answer, BadAnswer, NotFound, NotSent, Refused
from app.cloudpress.decorator import ProviderDecorator
from app.cloudpress.protocol import Provider
from app.telemetry import tracing
from app.telemetry.metrics import Metrics

T = TypeVar("T")


def _outcome(error: Exception) -> str:
    match error:
        case NotSent():
            return "not_sent"
        case NotFound():
            return "not_found"
        case Refused():
            return f"refused_{error.status // 100}xx"
        case BadAnswer():
            return "bad_answer"
        case _:
            return "no_answer"


class Measured(ProviderDecorator):
    """A provider whose requests are counted."""

    def __init__(self, provider: Provider, metrics: Metrics) -> None:
        """Ask `provider`, and tell `metrics`."""
        super().__init__(provider)
        self._metrics = metrics

    async def _through(self, operation: str, request: Callable[[], Awaitable[Answer[T]]]) -> Answer[T]:
        began = time.monotonic()
        outcome = "cut_off"
        with tracing.span(f"CloudPress {operation}", kind="client") as span:
            try:
                answer = await request()
            except Exception as error:
                outcome = _outcome(error)
                raise
            else:
                outcome = "ok"
                return answer
            finally:
                span.tell(outcome=outcome)
                self._metrics.provider(operation, outcome, time.monotonic() - began)
