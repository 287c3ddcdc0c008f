"""How an order stands when something is observed of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.states.codes import Attention
from app.states.statuses import OrderStatus


@dataclass(frozen=True)
class Standing:
    """What of an order's row bears on a decision, with what the pass has found written into it already."""

    status: OrderStatus
    missing_for: timedelta = timedelta()
    """For how long something known is answered with 404, as is counted of what is to last for a day."""
    gone_for: timedelta = timedelta()
    """The same since CloudPress agreed to cancel the order, as is counted of what is to last for minutes.

    Where it has not, and answers 404 to being asked, since then.
    """
    silent_for: timedelta = timedelta()
    """For how long no pass has learned anything, as is counted of what is to last for a day."""
    attention: Attention | None = None
    held: str | None = None
    """The CloudPress order that is taken for this one."""
    by_answer: bool = False
    """Whether CloudPress's answer named that."""
    duplicates: tuple[str, ...] = ()
    """Those that are suspected to be this one as well."""
    anothers: tuple[str, ...] = ()
    """Those of them that may be another order's here, so that nobody is told to cancel them."""
    mixed_up: tuple[str, ...] = ()
    """What it was found to be mixed up with, which stands where a look could not tell."""
    late_look_at: datetime | None = None
    cancelling: bool = False
    """Whether a client asked for the order to be cancelled and CloudPress has not agreed to it yet."""
    unwanted: bool = False
    """Whether a client asked for that, whatever CloudPress has said since."""
    is_replaced: bool = False
    """Whether what is held is another one than the order had when it was looked at."""
