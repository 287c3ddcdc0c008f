"""What may stand in a header."""

import re

HEADER_SAFE = re.compile(r"[!-~]+")


def header_safe(value: str) -> str:
    """Return a value that can stand in a header: printable ASCII without spaces.

    Raises:
        ValueError: it cannot. The text does not repeat it.
    """
    if not HEADER_SAFE.fullmatch(value):
        raise ValueError("must consist of printable ASCII characters without spaces")
    return value
