"""What `decide` returns: what an observation makes of an order, and what it waits for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.states.codes import Attention, Problem
from app.states.statuses import OrderStatus


class Wait(StrEnum):
    """What an order waits for, which says how long."""

    NOTHING = "nothing"
    """It is final."""
    TURN = "turn"
    """It goes on at once."""
    TASK = "task"
    PAYMENT = "payment"
    SETTLING = "settling"
    """CloudPress has decided, but does not show the outcome yet."""
    NAMED = "named"
    """A callback names what may never be shown: a final order's other task, or what it is mixed up with."""
    LOOK_UP = "look_up"
    RETRY = "retry"
    """Something failed: this, and nothing else, counts as a failure."""


@dataclass(frozen=True)
class Decision:
    """What an observation makes of an order.

    `payment_url` is what the order shows from now on; `missing` starts or ends the count towards
    attention, None leaves it as it is.
    """

    status: OrderStatus
    wait: Wait
    payment_url: str | None = None
    keeps_payment_url: bool = False
    problem: Problem | None = None
    attention: Attention | None = None
    missing: bool | None = None
    silent: bool | None = None
    """Starts or ends, in the same way, the count of how long nothing was learned."""
    retry_after_seconds: float | None = None
    late_look: bool = False
    """Whether a request that is still on its way could make an order yet."""
    ends_word: bool = False
    """Whether an operator's word to place the order again does not hold any more."""
    word_waits: bool = False
    """Whether an operator's word to fail the order waits for another look."""
    word_counts: bool = True
    """Whether the look that it waited for counts as one that told nothing."""
    due_by: datetime | None = None
    """When the order is due at the latest, whatever it waits for."""
