"""Streams as they come over the wire: in any pieces, with any text in them."""

import json

import pytest

from app.cli import event_stream
from app.cli.event_stream import EndlessLineError, Message, lines_of, messages_of

# Where Python ends lines and a stream does not. (`str.splitlines`)
OTHER_ENDS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
NAME = f"Caf\u00e9{OTHER_ENDS}\U0001f373"
DATA = json.dumps({"name": NAME}, ensure_ascii=False)


def read(text: bytes, *, pieces: int) -> list[Message]:
    """Read a stream that comes in pieces of so many bytes."""
    return list(messages_of(lines_of(text[at : at + pieces] for at in range(0, len(text), pieces))))


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 10_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_where_the_standard_says_however_they_come(end: str, pieces: int) -> None:
    text = (
        f"retry: 1000\nid: 1\n\n: still here\n\nid: 2\nevent: order.placed\ndata: {DATA}\n\nid:3\ndata:x\n\n"
    )
    assert read(text.replace("\n", end).encode(), pieces=pieces) == [
        Message("1", None),
        Message("2", DATA),
        Message("3", "x"),
    ]
    assert json.loads(DATA)["name"] == NAME


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("data: one\ndata: two\n\n", [Message(None, "one\ntwo")]),
        ("data\n\n", [Message(None, "")]),
        ("data:  two spaces\n\n", [Message(None, " two spaces")]),
        ("nonsense\nmore: nonsense\n\n", []),
        ("id: 1\0\ndata: x\n\n", [Message(None, "x")]),
        ("data: unfinished\n", []),
        ("\ufeffdata: x\n\n", [Message(None, "x")]),
        (":\n\n:\n\n", []),
    ],
)
def test_messages_are_what_the_standard_says(text: str, messages: list[Message]) -> None:
    assert read(text.encode(), pieces=4) == messages


def test_what_is_no_utf_8_ends_nothing() -> None:
    assert read(b"data: a\xff\xc3b\n\ndata: c\n\n", pieces=3) == [
        Message(None, "a\ufffd\ufffdb"),
        Message(None, "c"),
    ]


def test_a_line_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_LINE_CHARACTERS", 100)
    with pytest.raises(EndlessLineError):
        read(b"data: " + b"x" * 1000, pieces=10)


def test_a_line_is_told_as_soon_as_it_ends() -> None:
    lines = lines_of(piece for piece in (b"one\r", b"\ntwo\n", b"") if piece or fail())
    assert next(lines) == "one"
    assert next(lines) == "two"


def fail() -> bool:
    """Say that more was waited for than was needed."""
    raise AssertionError
