"""HTTP's times, in each form that somebody may send, or none."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.network.dates import LONGEST_SECONDS, http_date, seconds_of_retry_after

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BEYOND_ALL_CALENDARS = (
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 99999999999999999999 Jan 2026 00:00:00 GMT",
    "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT",
    "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
    f"Mon, 01 Jan {'9' * 5000} 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 -1400",
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        (f"{'0' * 5000}7", 7),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("\xb2", None),
        ("9" * 5000, LONGEST_SECONDS),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30),
        *((text, None) for text in BEYOND_ALL_CALENDARS),
    ],
)
def test_retry_after_in_each_form(text: str | None, seconds: float | None) -> None:
    assert seconds_of_retry_after(text, NOW) == seconds


def test_a_date_without_the_answers_own_is_read_against_this_machines() -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    seconds = seconds_of_retry_after(format_datetime(moment, usegmt=True))
    assert seconds is not None
    assert 3590 < seconds <= 3600


@given(st.one_of(st.text(), st.from_regex(r"\w{3}, \d+ Jan \d+ \d+:\d+:\d+ [+-]\d+", fullmatch=True)))
def test_whatever_is_sent_is_a_time_or_none(text: str) -> None:
    moment = http_date(text)
    assert moment is None or moment.utcoffset() == timedelta()
    seconds = seconds_of_retry_after(text, NOW)
    assert seconds is None or seconds >= 0
