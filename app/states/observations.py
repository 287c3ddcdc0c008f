"""What `decide` goes by beside an order's standing: the observations."""

from dataclasses import dataclass
from datetime import timedelta

from app.states.codes import AttentionCode, Doubt
from app.states.words import PostOutcome

LOOK_UPS_BEFORE_PLACING_AGAIN = 2
WITHOUT_TOKEN = AttentionCode.ACCOUNT_UNKNOWN.value


@dataclass(frozen=True)
class Trouble:
    """A request to CloudPress that told nothing."""

    kind: str
    status: int | None = None
    retry_after_seconds: float | None = None

    @property
    def is_without_token(self) -> bool:
        """Whether the request was not made, because no token of the order's account is known."""
        return self.kind == WITHOUT_TOKEN


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
class Overdue:
    """Observation: the order could not be sent for a day, and nobody has said that it is still wanted."""


@dataclass(frozen=True)
class Reappeared:
    """Observation: an order that is to be sent has to be looked for first.

    A callback was let in meanwhile, the answer to an earlier attempt was recorded late, or it was held off
    for so long that what look-ups have shown is old.
    """


@dataclass(frozen=True)
class Unwanted:
    """Observation: the client no longer wants an order that is to be sent, or to be sent once more.

    `was_sent` says that an earlier attempt may have made one all the same.
    """

    was_sent: bool = False


@dataclass(frozen=True)
class Word:
    """An operator's word to place an order again, and what he did not know when he gave it.

    `unknown` are CloudPress orders that may be it and that no look-up had shown by then; `called_back` says
    that a callback was let in since.
    """

    unknown: tuple[str, ...] = ()
    called_back: bool = False

    @property
    def still_holds(self) -> bool:
        """Whether nothing has come up that he did not know."""
        return not self.unknown and not self.called_back


@dataclass(frozen=True)
class NotFoundYet:
    """Observation: the order whose placement is unknown has not been found, and what speaks for what.

    `look_ups` counts the complete ones since the order may have landed last, and since whatever held it off;
    `began_late` says that the last began after the grace. `doubts` are what the last leaves open.
    `candidates` match the order, `suspects` may be it whatever they tell. `called_back` says that a callback
    was ever let in, `unwanted` that the client asked to cancel, `woken` that there was news while the pass
    looked.
    """

    grace_over: bool
    trouble: Trouble | None = None
    unfinished: bool = False
    look_ups: int = 0
    began_late: bool = False
    doubts: tuple[Doubt, ...] = ()
    candidates: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    look_alike: bool = False
    called_back: bool = False
    placing: bool = True
    may_place_again: bool = True
    """Whether Presshook may do so without a person (PLACE_AGAIN)."""
    unwanted: bool = False
    woken: bool = False
    overdue: bool = False
    refused: bool = False
    """Whether an attempt was answered with a refusal for good."""
    reasons: tuple[str, ...] | None = None
    """CloudPress's own words for it, if it was CloudPress that refused."""
    word: Word | None = None
    has_looked: bool = False
    """Whether a look-up has ended since the operator's word."""
    may_be_told_soon: bool = False
    """Whether the order's own callback may be about to tell which one it is."""

    @property
    def open_doubts(self) -> tuple[Doubt, ...]:
        """What is missing before it is sure that the order is not at CloudPress."""
        doubts = [] if self.began_late else [Doubt.TOO_EARLY]
        if self.look_ups < LOOK_UPS_BEFORE_PLACING_AGAIN:
            doubts.append(Doubt.TOO_FEW)
        return (*doubts, *self.doubts)

    @property
    def is_nowhere(self) -> bool:
        """Whether nothing at CloudPress can be the order: proven, not only not seen."""
        evidence = self.candidates or self.suspects or self.called_back or self.may_be_told_soon
        return not (evidence or self.trouble or self.unfinished or self.open_doubts)

    @property
    def is_nowhere_but_for_time(self) -> bool:
        """Whether nothing is missing but looks that are still to come, and come by themselves."""
        waits = bool(self.open_doubts) and {*self.open_doubts} <= {Doubt.TOO_EARLY, Doubt.TOO_FEW}
        seen = self.candidates or self.suspects or self.called_back or self.trouble or self.word
        may_go_on = self.unwanted or (self.placing and not self.reservations)
        return waits and not seen and may_go_on

    @property
    def reservations(self) -> tuple[Doubt, ...]:
        """Why an order that is nowhere is not sent again without a person all the same."""
        reserved = {
            Doubt.LEFT_TO_PEOPLE: not self.may_place_again,
            Doubt.OVERDUE: self.overdue,
            Doubt.REFUSED: self.refused,
        }
        return tuple(doubt for doubt, applies in reserved.items() if applies)


@dataclass(frozen=True)
class GivenUp:
    """Observation: an operator has decided that the order fails.

    `was_sent` says that an attempt may have made an order.
    """

    by: str
    was_sent: bool = False
    about: str | None = None
    """What he was asked about the order then, if that is known."""
    waited: timedelta = timedelta()
    """For how long his word has waited for a look that tells whether it is to be done."""


@dataclass(frozen=True)
class Rechecked:
    """Observation: a placed order was checked for a double; what was found is written beside its status.

    `open_hints` says that callbacks name tasks that CloudPress does not show yet, and `may_be_told_soon` that
    one of them has just come to be met with: what the order holds was not looked at, for it may be another's.
    """

    trouble: Trouble | None = None
    open_hints: bool = False
    may_be_told_soon: bool = False
    mixed_up: tuple[str, ...] = ()
    """What the order's own callback names and another order here holds, where none names what it holds."""
    claimed: tuple[str, ...] = ()
    """What an answer or a callback named as this order, and another order here has by its name."""
    called_back: bool = False
    """Whether a callback was let in that leads to no order of CloudPress's, or to one that was given up."""
    given_up: GivenUp | None = None
    """An operator's word to fail the order, if that was all there was to know of it by then."""


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
    foreign: bool = False
    """Whether what CloudPress links to the order contradicts itself, or belongs to another order of ours."""
    cancel_accepted: bool = False
    nothing_to_cancel: bool = False
    """Whether CloudPress answered 404 to the request to cancel what it had just not shown."""
    trouble: Trouble | None = None
    rechecked: Rechecked = Rechecked()
    """What came of looking whether CloudPress has the order a second time."""
    given_up: GivenUp | None = None
    """An operator's word to fail the order, as of one that was rechecked."""

    @property
    def is_gone(self) -> bool:
        """Whether CloudPress answered 404 for the order, and shows no task of it."""
        return self.missing and self.order_status is None and not self.tasks


Observation = (
    PostEnded
    | CutOff
    | PlacingOff
    | Overdue
    | Reappeared
    | Unwanted
    | NotFoundYet
    | GivenUp
    | Rechecked
    | Seen
)


def trouble_in(observation: Observation) -> Trouble | None:
    """Return which request of a look told nothing, if one did."""
    if isinstance(observation, Seen):
        return observation.trouble or observation.rechecked.trouble
    return observation.trouble if isinstance(observation, Rechecked | NotFoundYet) else None


def mixed_up_in(observation: Observation) -> tuple[str, ...]:
    """Return what an order may be mixed up with; of one that is, nothing else is looked at."""
    return observation.mixed_up if isinstance(observation, Rechecked) else ()


def claimed_in(observation: Observation) -> tuple[str, ...]:
    """Return what of an order's duplicates another order here has by its name."""
    rechecked = observation.rechecked if isinstance(observation, Seen) else observation
    return rechecked.claimed if isinstance(rechecked, Rechecked) else ()
