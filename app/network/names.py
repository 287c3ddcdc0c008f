"""Which hosts can be looked up: for others no resolver is asked, and what Python raises is no OSError."""

LONGEST = 253
NAMES = "no host's name has an empty part (two dots in a row), or one of more than 63 letters"
"""What is said of a host that is none, without repeating it."""


def is_host(text: str) -> bool:
    """Tell whether a text, as in a URL without brackets, is an address or can be a name as DNS has them.

    Python raises UnicodeError where another one is looked up.
    """
    try:
        name = f"{text.removesuffix('.')}.".encode("idna")
    except UnicodeError:
        return False
    return len(name) <= LONGEST + 1
