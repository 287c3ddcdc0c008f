"""What a terminal would obey, and what is left of it."""

import pytest

from app.plain import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Rosa's Bakery \N{MULTIPLICATION SIGN} 2", "Rosa's Bakery \N{MULTIPLICATION SIGN} 2"),
        (
            "caf\u00e9\u00a0\u4e2d\u6587 \U0001f469\u200d\U0001f373",
            "caf\u00e9\u00a0\u4e2d\u6587 \U0001f469\u200d\U0001f373",
        ),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("one\r\ntwo", "one\\u000d\\u000atwo"),
        ("\x9b2J\x7f", "\\u009b2J\\u007f"),
        ("\u202eevil", "\\u202eevil"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_spelt_out(text: str, shown: str) -> None:
    assert plain(text) == shown
