"""For how long nothing was learned of an order, as its row keeps it: counted from look to look."""

from datetime import timedelta

from app.db.lasting import Met, Span, counted_since, known_since, lasted, met_again_since, moment
from app.db.models import Order
from app.db.transactions import Transaction


def silent_for(tx: Transaction, order: Order) -> timedelta:
    """Return for how long nothing was learned of an order, if nothing is now."""
    return lasted(_met(order), moment(tx), Span.HOURS)


def keep_silence(tx: Transaction, order: Order, *, is_silent: bool) -> None:
    """Begin to count how long nothing is learned of an order, go on with it, or end it."""
    met, since = _met(order), order.silent_since or tx.now
    order.silent_since = since if is_silent else None
    order.silent_known_since = met_again_since(met, moment(tx), since) if is_silent else None


def _met(order: Order) -> Met | None:
    """Return what is kept of the silence that lasts; None if none does.

    What ends a silence, or begins another, may do so by `silent_since` alone, as a release side by side with
    this one does: what was counted is about the silence that began then, or about none that lasts.
    """
    if order.silent_since is None:
        return None
    return counted_since(order.silent_known_since, order.silent_since) or known_since(order.silent_since)
