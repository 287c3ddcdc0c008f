"""HTTP's times: a date, and how long somebody is to wait. (RFC 9110, 5.6.7 and 10.2.3)"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

LONGEST_SECONDS = 999_999_999.0


@lru_cache(maxsize=64)  # many answers come in the same second
def http_date(text: str | None) -> datetime | None:
    """Read an HTTP date as an aware UTC time; None if it is missing or malformed."""
    try:
        parsed = parsedate_to_datetime(text or "")
        return parsed.replace(tzinfo=parsed.tzinfo or UTC).astimezone(UTC)
    # A number in it may be larger than any calendar's, and some of what is no date has no parts to look at.
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def seconds_of_retry_after(text: str | None, date: datetime | None = None) -> float | None:
    """Read `Retry-After`, seconds or a date, as seconds from now; None if it is missing or malformed.

    `date` is the answer's own time, against which a date is read; without one that is this machine's.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_SECONDS)
    moment = http_date(text)
    if moment is None:
        return None
    return max((moment - (date or datetime.now(UTC))).total_seconds(), 0.0)
