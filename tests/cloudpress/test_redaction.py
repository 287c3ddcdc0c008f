"""Our secrets in what CloudPress says: found by value, in whatever way they are written."""

# ruff: noqa: E501 - the tables read by their lines

import asyncio
import base64
import html
import json
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.cloudpress import CloudPress, CloudPressError, Connections, SiteOrder
from app.cloudpress.redaction import (
    MAX_TEXT_LENGTH,
    REDACTED,
    Redaction,
    concealing,
    redaction,
    unescaped_html,
)
from app.cloudpress.refusals import refusal
from tests.cloudpress.server import misbehaving, reply

TOKEN = "t0k3n/with+all-of_it&'\"<>%20"
CALLBACK = "aB3_xY-zQ9wE7rT5yU1iO0pLkJhGfDsAzXcVbNmQwEr"
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "another letter case": str.swapcase,
    "a URL": lambda text: quote(text, safe=""),
    "a form": quote_plus,
    "a URL, each character": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "a URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "HTML": html.escape,
    "HTML, by number": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "HTML, by hexadecimal number": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "HTML in HTML": lambda text: html.escape(html.escape(text)),
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON, by number": lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    "hexadecimal digits": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of more": lambda text: base64.b64encode(f"Authorization: Token {text}\r\n".encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"a{text}".encode()).decode(),
}


def told_of(secret: str, text: str) -> bool:
    """Tell whether a text still tells of a secret: eight characters of it in a row, in any of the ways."""
    parts = [secret[start : start + 8] for start in range(len(secret) - 7)]
    return any(way(part).strip('"').lower() in text.lower() for part in parts for way in WAYS.values())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("secret", [TOKEN, CALLBACK])
def test_a_secret_is_found_in_every_way_of_writing_it(secret: str, way: str) -> None:
    written = f"Refused: {WAYS[way](secret)} is not known"
    for given_ in (secret, f"Bearer {secret}"):
        found = Redaction(given_).conceal(written)
        assert REDACTED in found
        assert not told_of(secret, found)
        assert found.startswith("Refused: ")


@settings(deadline=None)
@example("000000'\\", "HTML")
@example("000000'\\", "HTML in HTML")
@example("00000\\0\\", "JSON")
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8), st.sampled_from(sorted(WAYS)))
def test_whatever_the_secret_is(secret: str, way: str) -> None:
    """A token is of printable ASCII characters, whichever they are."""
    found = Redaction(secret).conceal(f"<{WAYS[way](secret)}>")
    assert REDACTED in found
    assert WAYS[way](secret) not in found


@pytest.mark.parametrize(
    "text",
    ["", "Rosa & Co %20 \\u0041 &amp;", "100 %", "%zz %", "&#xffffffff; &#0; &unknown;", "\\", "\ud800 %ff"],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert Redaction(TOKEN, CALLBACK).conceal(text) == text


def test_half_a_secret_is_not_left_where_a_text_is_cut() -> None:
    for length in range(15_000, 17_000, 131):
        found = Redaction(CALLBACK).beginning("x" * length + CALLBACK)
        assert not told_of(CALLBACK, found)
    assert not told_of(CALLBACK, Redaction(CALLBACK).beginning((CALLBACK + " ") * 10_000))


READS: dict[str, Callable[[str], object]] = {
    "about": lambda it: {"version": it, "logged_in_as": it, "locations": [{"id": 1, "name": it}]},
    "orders": lambda it: {"orders": [{"id": "o", "status": it, "variant": it, "account": {"id": it}}]},
    "order": lambda it: {"order": {"id": "o", "status": it, "product": it, "payment_url": f"x:{it}"}},
    "task": lambda it: {"task": {"id": 1, "status": it, "name": it, "title": it}},
    "site": lambda it: {"site": {"id": "o", "name": it, "primary_domain": {"name": it}, "ssh": {"username": it}}},
    "cancel": lambda it: {"errors": [it]},
    "place": lambda it: {"order": {"id": "o", "status": it}, "task": {"id": 1, "status": it}},
}  # fmt: skip


@pytest.mark.parametrize("status", ["200 OK", "422 Unprocessable Content", "500 Internal Server Error"])
@pytest.mark.parametrize("call", READS)
async def test_no_answer_tells_a_secret(call: str, status: str) -> None:
    """The order's callback value comes back in the answer to whatever is asked about the order."""
    ways = ["as it is", "a URL", "HTML", "base64 of more"]
    if status.startswith("200"):
        bodies = [json.dumps(READS[call](f"no: Bearer {WAYS[way](CALLBACK)}")).encode() for way in ways]
    else:
        texts = [
            f"no: Token {WAYS[way](secret)}" for way in ways for secret in (TOKEN.replace(" ", ""), CALLBACK)
        ]
        bodies = [json.dumps({"errors": texts}).encode()]
        bodies += [
            f"<title>no</title><pre>{text}</pre>".encode(code)
            for text in texts
            for code in ("utf-8", "utf-16")
        ]
        bodies += [json.dumps({"errors": {"callback": texts}}).encode()]
    for body in bodies:
        answered, failed = await ask(call, status, body)
        told = f"{answered!r} {failed!r} {failed} {vars(failed) if failed else ''}"
        assert not told_of(CALLBACK, told)
        assert not told_of(TOKEN, told)


async def ask(call: str, status: str, body: bytes) -> tuple[object, CloudPressError | None]:
    """Return what was answered, and how it failed."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(misbehaving(reply(status, body)))
        connections = await stack.enter_async_context(Connections())
        cloudpress = CloudPress(connections, server.url, token=TOKEN, account_id="a", timeout_seconds=20)
        arguments: dict[str, list[object]] = {
            "order": ["o"],
            "task": [1],
            "site": ["o"],
            "cancel": ["o"],
            "place": [SITE],
        }
        more = (
            {"callback_url": "http://x", "callback_authorization": f"Bearer {CALLBACK}"}
            if call == "place"
            else {}
        )
        with concealing(f"Bearer {CALLBACK}"):
            try:
                answer = await getattr(cloudpress, call)(*arguments.get(call, []), **more)
            except CloudPressError as error:
                return None, error
        return answer.value, None


SITE = SiteOrder(name="Site", variant="vanilla")


async def test_each_task_conceals_its_own() -> None:
    async def conceal(secret: str) -> str:
        with concealing(secret):
            await asyncio.sleep(0)
            return redaction().conceal("first-secret second-secret")

    first, second = await asyncio.gather(conceal("first-secret"), conceal("second-secret"))
    assert first == f"{REDACTED} second-secret"
    assert second == f"first-secret {REDACTED}"


@pytest.mark.parametrize("number", ["65", f"{'0' * 5000}65", "0000000000065", f"x{'0' * 5000}41"])
def test_a_character_is_read_however_long_its_number_is(number: str) -> None:
    assert unescaped_html(f"&#{number};B") == "AB"
    assert unescaped_html(f"&#{number} B") == "A B"


@pytest.mark.parametrize("number", ["9" * 5000, "12345678", f"{'0' * 5000}", f"{'0' * 5000}{'9' * 5000}"])
def test_no_number_is_too_long_for_a_text_to_be_one(number: str) -> None:
    """A page of somebody else's is what a refusal says, and breaks no pass."""
    text = f"Name is taken &#{number};"
    assert unescaped_html(text) == "Name is taken \ufffd"
    assert Redaction(TOKEN).tidy(text)
    for body in (json.dumps({"errors": [text]}), f"<html><body>{text}</body></html>"):
        refused = refusal(422, body.encode(), retry_after=None, date=None, is_known_host=True)
        [told] = refused.errors
        assert told.startswith("Name is taken ")


@given(st.text("&#x0123456789;A%5C\\u", max_size=200))
def test_whatever_a_text_looks_like_it_can_be_shown(text: str) -> None:
    assert len(Redaction(TOKEN, CALLBACK).tidy(text)) <= MAX_TEXT_LENGTH
    if not re.search("[0-9]{8}", text):
        assert unescaped_html(text) == html.unescape(text)
