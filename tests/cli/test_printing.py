"""Foreign text on a terminal: shown, never obeyed, whichever command prints it."""

import ast
import contextlib
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import app.cli
from app.cli import command_line
from app.cli.printing import print_json, print_json_line
from app.cli.terminal import Terminal
from app.plain import plain
from tests.cli.conftest import served

ORDER = "01a21550-291d-73d1-abf5-90bbb76f1cb1"
OBEYED = "".join(
    each
    for each in map(chr, range(0x110000))
    if unicodedata.category(each) in {"Cc", "Cf", "Zl", "Zp"} and each not in "\u200c\u200d"
)
EVIL = "[red]\x1b[31m\x1b]0;title\x07\x9b2J\r\nforged line\u2028\u202e" + OBEYED
PRINTING = {"print", "typer.echo", "typer.secho", "Console", "Text", "sys.stdout.write", "sys.stderr.write"}
MOMENT = "2026-11-26T00:45:04Z"


def test_json_says_the_same_and_obeys_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"a": [EVIL, {"b\x1b": EVIL}], "c": "caf\u00e9"}
    for printing in (print_json, print_json_line):
        printing(document)
        out = capsys.readouterr().out
        assert json.loads(out) == document
        assert is_harmless(out)


def is_harmless(text: str) -> bool:
    return all(line == plain(line) for line in text.split("\n"))


def evil(shape: Any) -> Any:
    """Return a document with evil in place of each text, but where a command needs to understand it."""
    if isinstance(shape, dict):
        return {name: evil(value) for name, value in shape.items()}
    if isinstance(shape, list):
        return [evil(value) for value in shape]
    return EVIL if shape == "…" else shape


AN_ORDER = {
    "id": "…",
    "status": "…",
    "account_id": "…",
    "request": {"name": "…", "variant": "…"},
    "cloudpress_order_id": "…",
    "payment_url": "…",
    "tasks": [{"id": 1, "status": "…"}],
    "site": {"primary_domain": "…", "name": "…"},
    "error": {"code": "…", "detail": "…"},
    "attention": {"code": "…", "detail": "…"},
    "cancellation": {"state": "…"},
    "waiting_for": {"code": "…", "detail": "…"},
    "created_at": MOMENT,
}
AN_ACCOUNT = {"id": "…", "name": "…", "source": "…", "attention": {"since": "…"}}
AN_EVENT = {"at": "…", "type": "…", "data": {"name": "…", "\x1b[5m": "…"}}
A_SUSPECT = {
    "cloudpress_order_id": "…",
    "code": "…",
    "told": {"site_name": "…", "status": "…", "created_at": MOMENT, "tasks": [{"id": 1, "status": "…"}]},
    "placed_at": MOMENT,
    "held_by": None,
    "untold": "…",
}
A_PROBLEM = {"detail": "…", "order_id": "…", "errors": [{"field": "…", "detail": "…"}, "…", "\x1b"]}


async def answer(request: Request) -> Response:
    path = request.url.path
    if request.headers["Authorization"] == "Bearer refused":
        return JSONResponse(evil(A_PROBLEM), 422)
    if path.endswith("/credentials"):
        return JSONResponse(evil({"ssh": {"port": "…", "username": "…", "ipaddr": "…", "password": "…"}}))
    if path.endswith("/events"):
        return JSONResponse(evil({"data": [AN_EVENT], "next_cursor": None}))
    if path.endswith("/suspects"):
        return JSONResponse(evil({"data": [A_SUSPECT], "others": ["…"], "left_out": 1, "callbacks": 1}))
    if path.startswith("/v1/accounts"):
        one = path.removeprefix("/v1/accounts")
        listed = {"data": [AN_ACCOUNT, AN_ACCOUNT], "next_cursor": None}
        return JSONResponse(evil(AN_ACCOUNT if one else listed))
    if path == "/v1/orders" and request.method == "GET":
        return JSONResponse(evil({"data": [AN_ORDER, AN_ORDER], "next_cursor": None}))
    return JSONResponse(evil(AN_ORDER))


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    """A service whose every text is an attack."""
    methods = ["GET", "POST", "PUT", "DELETE"]
    with served(Starlette(routes=[Route("/{path:path}", answer, methods=methods)])) as url:
        yield url


COMMANDS = [
    ("orders", "show", ORDER, "--events"),
    ("orders", "list"),
    ("orders", "credentials", ORDER),
    ("orders", "place", "Site"),
    ("orders", "cancel", ORDER),
    ("orders", "erase", ORDER),
    ("orders", "refresh", ORDER),
    ("orders", "resolve", ORDER, "--fail"),
    ("orders", "suspects", ORDER),
    ("accounts", "list"),
    ("accounts", "show", "x"),
    ("accounts", "set", "x", "--no-token"),
    ("accounts", "remove", "\x1b[31m"),
]


@pytest.mark.parametrize("key", ["key", "refused"])
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["for people", "for scripts"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("columns", ["60", "400"])
def test_no_command_hands_on_what_a_terminal_obeys(
    hostile: str,
    command: tuple[str, ...],
    form: tuple[str, ...],
    key: str,
    columns: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if form and command[1] == "remove":
        pytest.skip("it prints no JSON")
    monkeypatch.setenv("COLUMNS", columns)
    with contextlib.suppress(typer.Exit, SystemExit):
        command_line()([*command, *form, "--url", hostile, "--key", key], standalone_mode=False)
    printed = capsys.readouterr()
    assert printed.out or printed.err
    assert is_harmless(printed.out)
    assert is_harmless(printed.err)
    assert "\nforged line" not in printed.out + printed.err
    if form and key == "key":
        assert json.loads(printed.out), "scripts get every text as it was"


def test_everything_that_prints_is_in_one_module() -> None:
    """Hold that no command prints past the filter."""
    folder = Path(app.cli.__file__).parent
    for path in folder.rglob("*.py"):
        if path.name in {"printing.py", "terminal.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in {
                "print",
                "typer.echo",
                "typer.secho",
                "Console",
                "Text",
                "sys.stdout.write",
            }, f"{path.name}: {called}"


def test_a_console_shows_markup_of_ours_and_none_of_others() -> None:
    terminal = Terminal()
    with terminal.capture() as capture:
        terminal.print("[b]ours[/b]", "theirs \x1b[1m", highlight=False)
    assert capture.get() == "ours theirs \\u001b[1m\n"
