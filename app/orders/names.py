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
# In how many letters a character is written that has none in ASCII, and which symbols are written in words.
MOST_LETTERS = 7
SPELLED_OUT = frozenset("&%$@+=<>|#")
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
    plain = unicodedata.normalize("NFKD", _unescaped(name)).casefold()
    return "".join(character for character in plain if character.isalnum())


def _unescaped(name: str) -> str:
    """Return a name without HTML's entities, also where it was escaped more than once."""
    plain = html.unescape(name)
    return plain if plain == name else _unescaped(plain)


def resembles(sent: str, told: str) -> bool:
    """Tell whether a name that is told can be one that was sent, after any tidying or cutting short.

    What is no letter or digit of ASCII may have been left out, or written in a few of them ("ü" as "ue",
    "&" as "and").
    """
    one, two = key_of(sent), key_of(told)
    return one.startswith(two) or two.startswith(one) or _may_become(_unescaped(sent), two)


def _may_become(sent: str, key: str) -> bool:
    """Tell whether `key` begins with what a name can have become, or is the beginning of that."""
    reached = {0}
    """How much of `key` what was walked through so far can have become."""
    for character in unicodedata.normalize("NFC", sent).lower():
        if len(key) in reached:
            return True
        if character.isascii() and character.isalnum():
            reached = {at + 1 for at in reached if key[at] == character}
        elif not character.isascii() or character in SPELLED_OUT:
            further = {at + letters for at in reached for letters in range(MOST_LETTERS + 1)}
            reached = {at for at in further if at <= len(key)}
    return bool(reached)


@dataclass(frozen=True)
class Tidying:
    """What CloudPress was seen to do to names: the least that explains all that is known."""

    explanations: tuple[tuple[str, ...], ...]
    """Each as good as the others; none if nothing that we know of explains what was seen."""
    was_seen: bool = False
    """Whether any name was seen at all."""

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
                return cls(found, was_seen=bool(seen))
        return cls((), was_seen=bool(seen))

    @property
    def is_known(self) -> bool:
        """Whether it is known what CloudPress does to a name."""
        return bool(self.explanations)

    def makes(self, sent: str, told: str) -> bool:
        """Tell whether a name that was sent is told so, whichever explanation is right."""
        return self.is_known and all(_done(steps, sent) == told for steps in self.explanations)

    def excludes(self, sent: str, told: str | None) -> bool:
        """Tell whether what is told is surely another's name.

        So it is where it does not even resemble the one that was sent, and what CloudPress does to names was
        seen and is understood. Where it was not, a name that is told proves nothing.
        """
        return self.was_seen and self.is_known and told is not None and not resembles(sent, told)

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
