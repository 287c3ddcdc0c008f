"""Names of sites, and what CloudPress does to them: learned from those of orders that we hold.

The provider's page does not say that a name is kept as it was sent. A real one may put it into another form
of Unicode, into lower case, without its quotes, as a slug. What was seen to be done to known names is
expected of others; nothing else is.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

MAX_STEPS = 3
BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")
QUOTES = re.compile("[\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f]")
STRAIGHT = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"'}
)
CURLED = str.maketrans({"'": "\u2019", '"': "\u201d"})

# In the order in which they are done.
STEPS: dict[str, Callable[[str], str]] = {
    "nfc": lambda name: unicodedata.normalize("NFC", name),
    "nfkc": lambda name: unicodedata.normalize("NFKC", name),
    "collapsed": lambda name: " ".join(name.split()),
    "straight quotes": lambda name: name.translate(STRAIGHT),
    "curled quotes": lambda name: name.translate(CURLED),
    "without quotes": lambda name: QUOTES.sub("", name),
    "emoji replaced": lambda name: BEYOND_BMP.sub("?", name),
    "without emoji": lambda name: BEYOND_BMP.sub("", name),
    "lower case": str.lower,
    "slug": lambda name: re.sub("[^a-z0-9]+", "-", name.lower()).strip("-"),
    "entities": lambda name: html.escape(name, quote=False),
    "entities of quotes": lambda name: name.replace('"', "&quot;").replace("'", "&#39;"),
}


@lru_cache(maxsize=4096)
def key_of(name: str) -> str:
    """Return what is left of a name once all is gone that a tidying could take. Some names share it."""
    plain = unicodedata.normalize("NFKD", html.unescape(name)).casefold()
    return "".join(character for character in plain if character.isalnum())


def resembles(name: str, other: str) -> bool:
    """Tell whether two names differ by nothing but what tidying, or cutting them short, may do."""
    one, two = key_of(name), key_of(other)
    return one.startswith(two) or two.startswith(one)


@dataclass(frozen=True)
class Tidying:
    """What CloudPress was seen to do to names: the least that explains all that is known."""

    explanations: tuple[tuple[str, ...], ...]
    """Each as good as the others; none if nothing that we know of explains what was seen."""

    @classmethod
    def learned_from(cls, pairs: Iterable[tuple[str, str]]) -> "Tidying":
        """Find it from names as they were sent and as they are told."""
        seen = tuple(dict.fromkeys(pairs))
        for size in range(MAX_STEPS + 1):
            found = tuple(
                steps
                for steps in combinations(STEPS, size)
                if all(_done(steps, sent) == told for sent, told in seen)
            )
            if found:
                return cls(found)
        return cls(())

    @property
    def is_known(self) -> bool:
        """Whether it is known what CloudPress does to a name."""
        return bool(self.explanations)

    def makes(self, sent: str, told: str) -> bool:
        """Tell whether a name that was sent is told so, whichever explanation is right."""
        return self.is_known and all(_done(steps, sent) == told for steps in self.explanations)

    def confuses(self, name: str, other: str) -> bool:
        """Tell whether two names may be told alike, whichever explanation is right."""
        return key_of(name) == key_of(other) or any(
            _done(steps, name) == _done(steps, other) for steps in self.explanations
        )


UNKNOWN_TIDYING = Tidying(())
"""That of a CloudPress of whose names nothing is known."""


def _done(steps: Sequence[str], name: str) -> str:
    for step in steps:
        name = STEPS[step](name)
    return name
