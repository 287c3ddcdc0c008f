"""A value for each metric of a process, so that each can be seen."""

from app.telemetry.metrics import Metrics


def fill(metrics: Metrics) -> None:
    """Record one of each."""
    metrics.request("GET", "/v1/orders", 200, 0.1, waits=False)
    metrics.request("GET", "/v1/events", 200, 0.1, waits=True)
    metrics.callback("accepted")
    metrics.provider("place", "ok", 0.1)
    metrics.passed("observe", "completed", 0.1)
    metrics.finished("completed", 9.0, since_callback_seconds=0.1)
    metrics.batch("callbacks", 3, 0.01)
    metrics.attempt("taken", 0.1, lag_seconds=0.2)
    metrics.pruned("cleared", 25)
