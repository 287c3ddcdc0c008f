"""What a CloudPress, its clocks and our machines are like beyond what any page promises; drawn from the seed.

The provider's page leaves much open, and the service must not guess: each habit is one way in which a
real provider, a proxy or a host may differ from what would be convenient. A world has none of them, or some.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.provider import MadeOrder

HABITS = {
    "names": "keeps names otherwise than they were sent",
    "twins": "keeps names in lower case, and two of our clients order under names that differ by case only",
    "labels": "tells the account and the variant by other words",
    "pages": "lists in short pages, or answers every page with the same one",
    "clamps": "lists only so many orders",
    "sorting": "lists in any order, which may shift from page to page",
    "hiding": "does not list all orders, for a while or for good",
    "lag": "lists an order only minutes or hours after it was made",
    "zones": "tells times in other zones, without a zone, or not at all",
    "their_clock": "has a clock that is wrong by far and steps",
    "our_clock": "our clock steps back and forth",
    "stops": "our processes stand still for longer than any grace, also in the middle of a transaction",
    "sleep": "our machine sleeps, and its monotonic clock with it",
    "redirects": "answers an order with a redirect, before or after it made it",
    "odd_redirects": "makes an order and answers with a redirect that promises to have made none",
    "proxies": "makes an order, and a proxy answers with its own refusal, or asks to come again",
    "retry_after": "asks to be left alone for hours",
    "refusals": "goes on refusing orders when all else is calm",
    "strangers": "has other customers, who order at the same minute under similar names",
    "renumbering": "is restored from a backup, and numbers tasks and sites anew",
    "late_answers": "answers while our process stands still beyond the request's deadline",
    "meddling": "calls back between what an operator wished and its being done",
}
NOT_DRAWN = frozenset({"odd_redirects"})
"""Only where it is asked for by name: no code can defend itself, and none is expected to."""
PLACID = "placid"
"""No habit but the opposite: a world in which nobody may have to be asked."""
SHARE = 1 / 6
NONE_SHARE = 0.15
PLACID_SHARE = 0.08
WORDS = (
    "Cafe\u0301",
    "Anna's Shop",
    "\u201cCorner\u201d Shop",
    "Shop \U0001f6cd",
    " Two  Spaces ",
    "Shop",
    "SHOP",
)
LONG_WORD = "The long name of a shop that has everything"
STEPS_SECONDS = (-3600.0, -1800.0, -400.0, -60.0, 60.0, 400.0, 1800.0, 3600.0)
EMOJI = re.compile("[\U00010000-\U0010ffff]")
QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2019": "'"})
CURLED = str.maketrans({'"': "\u201d", "'": "\u2019"})

TIDYINGS: dict[str, Callable[[str], str]] = {
    "nfc": lambda name: unicodedata.normalize("NFC", name),
    "entities": lambda name: name.replace("&", "&amp;").replace("'", "&#39;").replace('"', "&quot;"),
    "without quotes": lambda name: re.sub("[\"'\u201c\u201d\u2019]", "", name),
    "straight quotes": lambda name: name.translate(QUOTES),
    "curled quotes": lambda name: name.translate(CURLED),
    "without emoji": lambda name: EMOJI.sub("?", name),
    "slug": lambda name: re.sub("[^a-z0-9]+", "-", name.lower()).strip("-"),
    "lower": str.lower,
    "collapsed": lambda name: " ".join(name.split()),
    "cut": lambda name: name[:12],
}


@dataclass
class Habits:
    """One world's. Whether it has a habit is asked by `in`; how, by what was drawn for it."""

    random: Random
    drawn: frozenset[str]
    are_on: bool = True
    """Whether the world is judged by the strict rules; without, it is the tame world of old."""
    steps_of_their_clock: list[tuple[timedelta, float]] = field(default_factory=list)
    """Since when CloudPress's clock is ahead by how many seconds."""

    def __post_init__(self) -> None:
        random = self.random
        self.tidying = "lower" if "twins" in self else random.choice(list(TIDYINGS))
        self.names = self._names()
        self.account_spelling = random.choice(["upper", "spaced", "number", None])
        self.variant_spelling = random.choice(["label", "upper", "spaced"])
        self.pages = random.choice(["short", "first for ever", "last for ever"])
        self.clamp = random.choice([1, 3, 6])
        self.sorting = random.choice(["newest", "oldest", "any", "updated", "shuffled"])
        if "clamps" in self and self.sorting not in {"newest", "oldest"}:
            self.sorting = "newest"  # what a list leaves out by chance nobody could miss
        self.clamps_oldest = random.random() < 0.5
        self.hiding = random.choice(["ours", "ours", "some", "some", "unpaid", "finished"])
        self.hiding_seconds = random.choice([1800.0, 3 * 3600.0, None, None])
        self.lag_seconds = random.choice([150.0, 600.0, 3600.0, 3 * 3600.0])
        self.zone = random.choice(["offset", "naive west", "naive east", "missing", "some missing"])
        self.grace_seconds = random.choice([120.0, 300.0, 600.0, 900.0])
        self.lowest_retry_after = random.choice([600.0, 2 * 3600.0])
        self.refusal = random.choice([401, 403, 429, 503, 402, 402, 422, 422])
        self.refusing_seconds = random.choice([None, 3600.0]) if self.refusal in {429, 503} else None
        self.refusing_after_seconds = random.uniform(0, 1500)
        self.has_many_machines = self.are_on and random.random() < 0.5
        """Whether each of our processes runs on a machine of its own."""
        if "their_clock" in self:
            self._draw_their_clock()

    def __contains__(self, habit: str) -> bool:
        return habit in self.drawn

    def _names(self) -> tuple[str, ...]:
        if "twins" in self:
            return ("Shop", "shop", "SHOP")
        return (*WORDS, LONG_WORD, LONG_WORD[:14]) if "names" in self else ()

    def _draw_their_clock(self) -> None:
        ahead = self.random.choice([-7200.0, -400.0, 400.0, 1800.0, 7200.0])
        self.steps_of_their_clock = [(timedelta(0), ahead)]
        for _ in range(self.random.choice([0, 1, 2])):
            since = timedelta(seconds=self.random.uniform(60, 5000))
            self.steps_of_their_clock.append(
                (since, ahead + self.random.choice([-3600.0, -600.0, 600.0, 3600.0]))
            )
        self.steps_of_their_clock.sort()

    def __str__(self) -> str:
        told = {
            "names": self.tidying,
            "labels": f"account {self.account_spelling}, variant {self.variant_spelling}",
            "pages": self.pages,
            "clamps": f"{'the oldest' if self.clamps_oldest else 'the newest'} {self.clamp}",
            "sorting": self.sorting,
            "hiding": f"{self.hiding} for {self.hiding_seconds or 'ever'}",
            "lag": str(self.lag_seconds),
            "zones": self.zone,
            "their_clock": str([(str(since), ahead) for since, ahead in self.steps_of_their_clock]),
            "refusals": f"{self.refusal} after {self.refusing_after_seconds:.0f} s",
        }
        words = [f"{habit} ({told[habit]})" if habit in told else habit for habit in sorted(self.drawn)]
        machines = "many machines" if self.has_many_machines else "one machine"
        grace = f"grace {self.grace_seconds:.0f} s, {machines}" if self.are_on else "the tame world of old"
        return f"{', '.join(words) or 'none'}; {grace}"

    # --- what CloudPress tells ----------------------------------------------------------------------

    def tidied(self, name: str) -> str:
        """Return a name as CloudPress keeps it."""
        return TIDYINGS[self.tidying](name) if "names" in self or "twins" in self else name

    def account(self, account: str) -> str:
        """Return an account's id as CloudPress tells it."""
        match self.account_spelling if "labels" in self else None:
            case "upper":
                return account.upper()
            case "spaced":
                return f" {account} "
            case "number":
                return str(sum(account.encode()))
            case _:
                return account

    def variant(self, variant: str) -> str:
        """Return a variant as CloudPress tells it."""
        match self.variant_spelling if "labels" in self else None:
            case "label":
                return f"{variant.capitalize()} WordPress"
            case "upper":
                return variant.upper()
            case "spaced":
                return f" {variant} "
            case _:
                return variant

    def ahead_seconds(self, age: timedelta) -> float:
        """Return how far CloudPress's clock is ahead when a life is that old."""
        past = [ahead for since, ahead in self.steps_of_their_clock if since <= max(age, timedelta(0))]
        return past[-1] if past else 0.0

    def created_at(self, moment: datetime, number: int) -> Any:
        """Return when an order was made as CloudPress tells it: a moment, a text, or nothing."""
        match self.zone if "zones" in self else None:
            case "offset":
                return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()
            case "naive west":
                return (moment - timedelta(hours=8)).replace(tzinfo=None).isoformat(sep=" ")
            case "naive east":
                return (moment + timedelta(hours=5)).replace(tzinfo=None).isoformat()
            case "missing":
                return None
            case "some missing":
                return moment if number % 2 else None
            case _:
                return moment

    @property
    def age_is_told(self) -> bool:
        """Whether what CloudPress tells of an order's age can be trusted."""
        return "zones" not in self and "their_clock" not in self

    # --- what is listed -----------------------------------------------------------------------------

    def is_listed(self, made: "MadeOrder", now: datetime) -> bool:
        """Tell whether an order is in the list at all."""
        age = now - made.created_at
        if "lag" in self and age < timedelta(seconds=self.lag_seconds):
            return False
        if "hiding" not in self or (
            self.hiding_seconds is not None and age >= timedelta(seconds=self.hiding_seconds)
        ):
            return True
        match self.hiding:
            case "ours":
                return made.local_id is None
            case "some":
                return made.number % 3 != 0
            case "unpaid":
                return not made.payment_url
            case _:
                return made.task_status not in {"OK", "FAILED", "CANCELLED"}

    def listed(self, orders: "list[MadeOrder]", page: int, size: int, now: datetime) -> "list[MadeOrder]":
        """Return a page of the list."""
        shown = [made for made in orders if self.is_listed(made, now)]
        shown = self._sorted(shown)
        if "clamps" in self:
            shown = shown[: self.clamp] if self.clamps_oldest else shown[-self.clamp :]
        if "pages" not in self:
            return shown[(page - 1) * size : page * size]
        if self.pages == "first for ever":
            return shown[:size]
        if self.pages == "last for ever":
            page = min(page, max(1, -(-len(shown) // size)))
            return shown[(page - 1) * size : page * size]
        short = max(1, size // 2)
        return shown[(page - 1) * short : page * short]

    def _sorted(self, orders: "list[MadeOrder]") -> "list[MadeOrder]":
        match self.sorting if "sorting" in self else None:
            case "newest":
                return sorted(orders, key=lambda made: made.created_at, reverse=True)
            case "any":
                return sorted(orders, key=lambda made: made.number * 7919 % 101)
            case "updated":
                return sorted(orders, key=lambda made: (made.task_status, made.number))
            case "shuffled":
                return self.random.sample(orders, len(orders))
            case _:
                return orders


def none() -> Habits:
    """Return those of the tame world of old."""
    return Habits(Random(0), frozenset(), are_on=False)


def draw(seed: int, forced: str | None = None) -> Habits:
    """Draw a world's habits; `forced` leaves it exactly that one."""
    # A text seeds the same in every process.
    random = Random(f"habits of {seed}")
    drawn = {habit for habit in HABITS if random.random() < SHARE and habit not in NOT_DRAWN}
    kind = random.random()
    if kind < PLACID_SHARE:
        drawn = {PLACID}
    elif kind < PLACID_SHARE + NONE_SHARE:
        drawn = set()
    return Habits(random, frozenset(drawn if forced is None else {forced}))
