"""Tags as they come back: as they were given, or as a proxy that compresses has made them."""

import pytest

from app.api.etags import matches

DIGEST = "0123456789abcdef0123456789abcdef"
ETAG = f'"{DIGEST}"'


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (ETAG, "as it was given"),
        ("*", "any"),
        (f"W/{ETAG}", "nginx: gzip makes a tag weak"),
        (f'"{DIGEST}-gzip"', "Apache: mod_deflate"),
        (f'W/"{DIGEST}-gzip"', "Apache behind nginx"),
        (f'"{DIGEST}-br"', "Apache: mod_brotli"),
        (f'"{DIGEST};gzip"', "Apache: before 2.4"),
        (f'"{DIGEST}--gzip"', "Jetty"),
        (f'W/"{DIGEST}:dtagent1025"', "an agent in a proxy"),
        (f'"another", W/"{DIGEST}-zstd"', "one of a list"),
        (DIGEST, "quotes were lost on the way"),
    ],
)
def test_our_tag_is_known_again(sent: str, reason: str) -> None:
    assert matches(sent, ETAG), reason


@pytest.mark.parametrize("sent", ['"another"', "", '"0123456789abcdef"', f'"{DIGEST[:-1]}"', '"*"', "W/"])
def test_another_is_not(sent: str) -> None:
    assert not matches(sent, ETAG)
