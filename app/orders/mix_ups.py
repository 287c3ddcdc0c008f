"""What an order may be mixed up with, as it is kept until it is settled, whatever else a person is told.

A release before keeps it in nothing but what a person is told, and neither writes nor clears this. So it
names the CloudPress order that was held by then: of what is held instead it says nothing.
"""

from collections.abc import Collection, Mapping
from typing import Any

from app.db.models import Order
from app.orders.names_seen import LOOK_UP
from app.states import tells_of_mix_up, told_as_mixed_up


def as_mixed_up(held: str | None, named: Collection[str]) -> dict[str, Any] | None:
    """Return what is kept of an order's being mixed up; None where it is not."""
    return {"order": held, "with": sorted(named)} if held is not None and named else None


def kept_as_mixed_up(
    kept: Mapping[str, Any] | None, held: str | None, settled: Collection[str] | None
) -> frozenset[str] | None:
    """Return with what a CloudPress order that is held was found to be mixed up; None where nothing is kept.

    It may be itself, where it may be another's. What an operator has dismissed is none of those.
    """
    if kept is None or held is None or kept["order"] != held:
        return None
    return frozenset(kept["with"]).difference(settled or ())


def mixed_up_with(order: Order) -> frozenset[str] | None:
    """Return the same of an order."""
    return kept_as_mixed_up(order.mixed_up, order.cloudpress_order_id, order.settled_duplicates)


def found_before(order: Order) -> frozenset[str]:
    """Return with what an order was found to be mixed up, whatever a person is told by now.

    Where nothing is kept, a release before may have told it. What another order was named for is found anew,
    and that this one has it by its name says no more.
    """
    own, kept = {order.cloudpress_order_id or ""}, mixed_up_with(order)
    if kept is not None:
        return kept - own if order.cloudpress_order_id_source == LOOK_UP else kept
    told = order.attention_detail or ""
    if not tells_of_mix_up(told):
        return frozenset()
    return frozenset(told_as_mixed_up(told, {*(order.suspected_duplicates or ()), *own}))
