"""Which names a key may not have, since timelines tell others by them."""

import unicodedata

from app.events.timeline import Actor

COMMAND_LINE = Actor("presshook keys")
"""Who changes keys in the database itself, as timelines tell it."""
RESERVED_NAMES = frozenset({"api_key", COMMAND_LINE.name})
"""What timelines call others than stored keys: the environment's key, and the command line."""
INVISIBLE = frozenset({"Cf", "Mn", "Me"})
"""Unicode's categories of what a reader may not see: joiners, marks of direction, spaces of no width."""


def is_reserved(name: str) -> bool:
    """Tell whether a key of this name would pass for somebody else in a timeline, to whoever reads it."""
    seen = unicodedata.normalize("NFKC", name)
    visible = "".join(character for character in seen if unicodedata.category(character) not in INVISIBLE)
    return " ".join(visible.split()).casefold() in RESERVED_NAMES
