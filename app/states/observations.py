"""What `decide` goes by, and what it returns: the order's standing, the observations, the decision."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.states.codes import Attention, Problem
from app.states.statuses import OrderStatus
from app.states.words import PostOutcome

LOOK_UPS_BEFORE_PLACING_AGAIN = 2


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
    LOOK_UP = "look_up"
    RETRY = "retry"
    """Something failed: this, and nothing else, counts as a failure."""


@dataclass(frozen=True)
class Trouble:
    """A request to CloudPress that told nothing."""

    kind: str
    status: int | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True)
class Standing:
    """What of an order's row bears on a decision, with what the pass has found written into it already."""

    status: OrderStatus
    missing_since: datetime | None = None
    attention: Attention | None = None
    held: str | None = None
    """The CloudPress order that is taken for this one."""
    duplicates: tuple[str, ...] = ()
    """Those that are suspected to be this one as well."""
    late_look_at: datetime | None = None
    cancelling: bool = False
    """Whether a client asked for the order to be cancelled and CloudPress has not agreed to it yet."""


@dataclass(frozen=True)
class PostEnded:
    """Observation: the request that places the order has ended.

    `first` says that no earlier attempt can have made an order.
    """

    outcome: PostOutcome
    first: bool
    order_status: str | None = None
    task_status: str | None = None
    payment_url: str | None = None
    odd_payment_url: bool = False
    """Whether a payment is asked for at what is no http(s) page."""
    reasons: tuple[str, ...] = ()
    trouble: Trouble | None = None


@dataclass(frozen=True)
class CutOff:
    """Observation: the order was being placed by someone whose lease ran out."""


@dataclass(frozen=True)
class PlacingOff:
    """Observation: the operator lets no order be sent at the moment."""


@dataclass(frozen=True)
class Reappeared:
    """Observation: something speaks for an order, which is to be sent, being at CloudPress already.

    A callback was let in meanwhile, or the answer to an earlier attempt was recorded late.
    """


@dataclass(frozen=True)
class Unwanted:
    """Observation: the client no longer wants an order that is to be sent, or to be sent once more.

    `was_sent` says that an earlier attempt may have made one all the same.
    """

    was_sent: bool = False


@dataclass(frozen=True)
class NotFoundYet:
    """Observation: the order whose placement is unknown has not been found, and what speaks for what.

    `look_ups` counts the complete ones; `last_look_up_at` is when the last of them began. `candidates`
    match the order, `suspects` may be it. `called_back` says that a callback was ever let in, `unwanted`
    that the client asked to cancel, `woken` that there was news while the pass looked.
    """

    sent_at: datetime
    grace_seconds: float
    trouble: Trouble | None = None
    unfinished: bool = False
    look_ups: int = 0
    last_look_up_at: datetime | None = None
    candidates: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    look_alike: bool = False
    called_back: bool = False
    placing: bool = True
    unwanted: bool = False
    woken: bool = False

    @property
    def grace_ends_at(self) -> datetime:
        """When the order is placed again if nothing can be it, or asks for attention."""
        return self.sent_at + timedelta(seconds=self.grace_seconds)

    @property
    def is_nowhere(self) -> bool:
        """Whether nothing at CloudPress can be the order, as far as this pass has looked."""
        begun_late_enough = self.last_look_up_at is not None and self.last_look_up_at >= self.grace_ends_at
        evidence = self.candidates or self.suspects or self.called_back or self.trouble
        return begun_late_enough and self.look_ups >= LOOK_UPS_BEFORE_PLACING_AGAIN and not evidence


@dataclass(frozen=True)
class Resolved:
    """Observation: an operator has decided that the order is placed again, or fails."""

    status: OrderStatus
    by: str


@dataclass(frozen=True)
class Rechecked:
    """Observation: a placed order was checked for a double; what was found is written beside its status.

    `open_hints` says that callbacks name tasks that CloudPress does not show yet.
    """

    trouble: Trouble | None = None
    open_hints: bool = False


@dataclass(frozen=True)
class Seen:
    """Observation: what CloudPress showed of a placed order in one pass.

    `order_status` is None where the order could not be read; `tasks` are the statuses of all its tasks
    that are known. `missing` says that something known was answered with 404, `cancel_accepted` that
    CloudPress has agreed to cancel the order.
    """

    order_status: str | None
    tasks: tuple[str, ...]
    payment_url: str | None = None
    odd_payment_url: bool = False
    """Whether a payment is asked for at what is no http(s) page."""
    site_read: bool = False
    missing: bool = False
    cancel_accepted: bool = False
    trouble: Trouble | None = None
    rechecked: Rechecked = Rechecked()
    """What came of looking whether CloudPress has the order a second time."""


Observation = (
    PostEnded | CutOff | PlacingOff | Reappeared | Unwanted | NotFoundYet | Resolved | Rechecked | Seen
)


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
    retry_after_seconds: float | None = None
    late_look: bool = False
    """Whether a request that is still on its way could make an order yet."""
    due_by: datetime | None = None
    """When the order is due at the latest, whatever it waits for."""
