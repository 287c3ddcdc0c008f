"""Draws whatever can be observed of an order: every observation there is, and every field of each.

The strategies are made from the dataclasses' own annotations, so that what is added to `app/states.py` is
drawn too, or, where its type says too little, missed loudly.
"""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from app.states import (
    Attention,
    AttentionCode,
    CutOff,
    Doubt,
    GivenUp,
    NotFoundYet,
    Observation,
    OrderStatus,
    Overdue,
    PlacingOff,
    PostEnded,
    PostOutcome,
    Reappeared,
    Rechecked,
    Seen,
    Standing,
    Trouble,
    Unwanted,
    Word,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
S = OrderStatus
# Moments and spans lie on one grid, so that "just at the end of the grace" is drawn again and again.
GRID_SECONDS = 300
MOMENTS = st.integers(-4, 400).map(lambda steps: NOW - timedelta(seconds=GRID_SECONDS * steps))
IDS = st.sampled_from(["cp-1", "cp-2", "cp-3"])
ORDER_WORDS = [
    "",
    "open",
    "Pending",
    "processing",
    "AWAITING_PAYMENT",
    "completed",
    "FAILED",
    "cancelled",
    "new",
]
TASK_WORDS = ["PENDING", "running", "OK", "ok", "FAILED", "Cancelled", "PAUSED", "NEW"]

BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    datetime: MOMENTS,
    timedelta: st.integers(0, 400).map(lambda steps: timedelta(seconds=GRID_SECONDS * steps)),
    NoneType: st.none(),
    OrderStatus: st.sampled_from(OrderStatus),
    PostOutcome: st.sampled_from(PostOutcome),
    AttentionCode: st.sampled_from(AttentionCode),
}
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "order_status": st.sampled_from(ORDER_WORDS),
    "task_status": st.sampled_from(TASK_WORDS),
    "tasks": st.lists(st.sampled_from(TASK_WORDS), max_size=3).map(tuple),
    "payment_url": st.just("https://pay.example/1"),
    "reasons": st.lists(st.sampled_from(["no", "not so"]), max_size=2).map(tuple),
    "candidates": st.just(()) | st.lists(IDS, max_size=7).map(tuple),
    "suspects": st.just(()) | st.lists(IDS, max_size=7).map(tuple),
    "status": st.integers(300, 599),
    "kind": st.sampled_from(["timeout", "status_500"]),
    "detail": st.just("Do this."),
    "about": st.just(()),
    "held": IDS,
    "duplicates": st.just(()) | st.lists(IDS, max_size=7).map(tuple),
    "doubts": st.just(()) | st.lists(st.sampled_from(Doubt), max_size=3).map(tuple),
    "claimed": st.just(()) | st.lists(IDS, max_size=2).map(tuple),
    "mixed_up": st.just(()) | st.lists(IDS, max_size=2).map(tuple),
    "anothers": st.just(()) | st.lists(IDS, max_size=2).map(tuple),
    "unknown": st.just(()) | st.lists(IDS, max_size=2).map(tuple),
    "by": st.just("operator"),
    "look_ups": st.integers(0, 3),
    "retry_after_seconds": st.floats(0, 86_400),
}


def every(drawn: type, **instead: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy that draws every field of a dataclass, those that have a default as well."""
    types = get_type_hints(drawn)
    named = {
        field.name: _of(field.name, types[field.name]) for field in fields(drawn) if field.name not in instead
    }
    return st.builds(drawn, **named, **instead)


def _of(name: str, wanted: Any) -> st.SearchStrategy[Any]:
    if wanted in BY_TYPE:
        return BY_TYPE[wanted]
    if get_origin(wanted) in {Union, UnionType}:
        return st.one_of(*(_of(name, member) for member in get_args(wanted)))
    if wanted in {Attention, GivenUp, Rechecked, Trouble, Word}:
        return every(wanted)
    if name in BY_NAME:
        return BY_NAME[name]
    raise LookupError(f"nobody has said how to draw {name}: {wanted}")


STANDINGS = every(Standing)
# What can be observed of an order depends on its status (see reconciler/passes.py); a final one must bear
# anything.
OBSERVED: dict[OrderStatus, tuple[type, ...]] = {
    S.PENDING: (PlacingOff, Overdue, Reappeared, Unwanted),
    S.PLACING: (PostEnded, CutOff),
    S.UNCONFIRMED: (NotFoundYet, PostEnded, GivenUp, Seen),
    S.AWAITING_PAYMENT: (Seen, Rechecked, GivenUp),
    S.PROVISIONING: (Seen, Rechecked, GivenUp),
    **dict.fromkeys((S.COMPLETED, S.FAILED, S.CANCELLED), get_args(Observation)),
}
DRAWN = {drawn: every(drawn) for drawn in get_args(Observation)}


def observations_of(status: OrderStatus) -> st.SearchStrategy[Observation]:
    """Return a strategy that draws what can be observed of an order of a status."""
    return st.one_of(*(DRAWN[drawn] for drawn in OBSERVED[status]))
