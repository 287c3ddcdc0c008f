"""How things are told: foreign addresses, spans."""

import pytest

from app.dashboard.words import look_of, site_address, span, web_address


@pytest.mark.parametrize(
    ("address", "is_link"),
    [
        ("https://pay.example/x?a=1#b", True),
        ("http://pay.example:8080/", True),
        ("javascript:alert(1)", False),
        ("javascript://pay.example/%0aalert(1)", False),
        ("data://pay.example/x", False),
        ("ftp://pay.example/", False),
        ("https://user:word@pay.example/", False),
        ("https:///x", False),
        ("https://[", False),
        ("https://pay.example/ x", False),
        ("//pay.example", False),
        ("", False),
        (None, False),
    ],
)
def test_only_addresses_of_web_pages_are_links(address: object, is_link: object) -> None:
    assert web_address(address) == (address if is_link else None)


@pytest.mark.parametrize(
    "domain", ["x.example/y", "x.example:80", "x", "x..example", "-x.example", "ü.example", "", None]
)
def test_what_is_no_name_of_a_host_is_no_link(domain: object) -> None:
    assert site_address(domain) is None
    assert site_address("rosa.example") == "https://rosa.example/"


def test_spans_are_told_in_two_units() -> None:
    told = {0.4: "0 s", 59: "59 s", 61: "1 min 1 s", 3600: "1 h", 90_000: "1 d 1 h", -5: "0 s"}
    assert {seconds: span(seconds) for seconds in told} == told


def test_a_state_that_nobody_has_listed_has_a_look() -> None:
    assert look_of("half_done").word == "Half done"
