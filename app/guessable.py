"""Which secrets are none: those that everybody can read in this repository, those that are soon guessed."""

import ipaddress
from itertools import pairwise
from urllib.parse import urlsplit

PUBLISHED = frozenset(
    {
        "demo-key",
        "a-public-key-for-the-playground-alone",
        "sandbox-token",
        "sandbox-token-2",
        "presshook",
        "changeme",
        "change-me",
    }
)
"""What the demo, the playground and the documentation use."""
UNSET = "unset "
"""What docker-compose.yml puts before them where the playground is over."""
# For who is playing; for all others twice as many.
MIN_STEPS = {"API_KEY": 4, "SECRET_KEY": 8}
# Of what is repeated in it once: "password1234" is no longer for being there three times.
MIN_LENGTH = {"API_KEY": 16, "SECRET_KEY": 32}
MAKE_ONE = {"API_KEY": "openssl rand -hex 32", "SECRET_KEY": "openssl rand -base64 48"}


def is_local(url: str) -> bool:
    """Tell whether an address leads to this machine, or to a container's name, which the internet lacks."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.endswith(".localhost") or (bool(host) and "." not in host)


def weakness(name: str, value: str, *, is_playing: bool) -> str | None:
    """Say why a value is no secret, as what is wrong with it; None if it may be one.

    `name` is `API_KEY` or `SECRET_KEY`. Who is playing, with everything on one machine, may use what is
    published or short.
    """
    advice = f"make one: {MAKE_ONE[name]}"
    if steps(value) < MIN_STEPS[name] * (1 if is_playing else 2):
        return f"can be guessed: it repeats or counts; {advice}"
    if is_playing:
        return None
    if is_published(value):
        return f"is public: everybody can read it in Presshook's repository; {advice}"
    if len(_once(value)) < MIN_LENGTH[name]:
        return f"can be guessed: it has fewer than {MIN_LENGTH[name]} characters that do not repeat; {advice}"
    return None


def is_published(value: str) -> bool:
    """Tell whether a value can be read in this repository."""
    return value.strip().lower().removeprefix(UNSET) in PUBLISHED


def steps(value: str) -> int:
    """Return how many characters do not follow from those before them: `aaaa`, `abcd`, `abab` have few."""
    once = _once(value)
    moves = [ord(after) - ord(before) for before, after in pairwise(once)]
    follows = sum(move == former and abs(move) <= 1 for former, move in pairwise(moves))
    return len(once) - follows


def _once(value: str) -> str:
    """Return what a value repeats to its end, all of it if it repeats nothing."""
    period = next(length for length in range(1, len(value) + 1) if value.startswith(value[length:]))
    return value[:period]
