"""The client of the commands: addresses as they are typed, and loops that never spin."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner

from app.cli import command_line
from app.cli import pace as pace_module
from app.cli.addresses import address
from app.cli.client import Client
from app.cli.ending import ExitCode
from app.cli.given_secrets import secret_of_environment
from app.cli.pace import Pace
from app.states import OrderStatus
from app.webhooks.signing import new_secret
from tests.cli.conftest import served

ORDER = "01a21550-291d-73d1-abf5-90bbb76f1cb1"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("localhost:3000", "http://localhost:3000"),
        ("localhost:3000/hook?a=http://b", "http://localhost:3000/hook?a=http://b"),
        ("3000", "http://localhost:3000"),
        ("127.0.0.1:3000/x", "http://127.0.0.1:3000/x"),
        ("[::1]:3000", "http://[::1]:3000"),
        ("https://shop.example.com/hook", "https://shop.example.com/hook"),
    ],
)
def test_an_address_is_what_was_meant(typed: str, meant: str) -> None:
    assert address(typed) == meant
    httpx.Request("POST", meant)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "http://",
        "ftp://localhost",
        "http://a:b:c",
        "http://localhost:99999",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(typer.BadParameter, match="address"):
        address(typed)


@pytest.mark.parametrize("place", ["--url", "PRESSHOOK_URL"])
@pytest.mark.parametrize("after", ["/?a=b", "?", "#part", "/presshook#"])
def test_an_address_that_no_path_can_be_added_to_is_refused_by_its_setting_s_name(
    place: str, after: str
) -> None:
    """What is added to it would be a part of its query, and something else would be asked."""
    url = f"http://127.0.0.1:9{after}"
    line = ["orders", "list", "--key", "key", *(["--url", url] if place == "--url" else [])]
    ended = CliRunner().invoke(
        command_line(["orders"]), line, env={"PRESSHOOK_URL": url if place != "--url" else None}
    )
    assert ended.exit_code == 2
    assert place in ended.output
    assert "a query or a fragment" in " ".join(ended.output.replace("│", " ").split())


LISTING = ["orders", "list", "--url", "http://127.0.0.1:9"]
LISTENING = ["listen", "--forward-to", "9", "--url", "http://127.0.0.1:9", "--key", "key"]


@pytest.mark.parametrize(
    ("line", "env", "told"),
    [
        (LISTING, {}, "there is none: give it, or set PRESSHOOK_API_KEY"),
        (LISTING, {"PRESSHOOK_API_KEY_FILE": "key"}, "cannot be reached"),
        (LISTING, {"API_KEY_FILE": "key"}, "cannot be reached"),
        (LISTING, {"PRESSHOOK_API_KEY_FILE": "nowhere"}, "PRESSHOOK_API_KEY_FILE: its file cannot be read"),
        (LISTING, {"PRESSHOOK_API_KEY_FILE": "key", "PRESSHOOK_API_KEY": "k"}, "set one of the two"),
        (LISTENING, {"PRESSHOOK_WEBHOOK_SECRET_FILE": "key"}, "must be whsec_ and base64"),
        (LISTENING, {"PRESSHOOK_WEBHOOK_SECRET_FILE": "nowhere"}, "its file cannot be read"),
        (
            LISTENING,
            {"PRESSHOOK_WEBHOOK_SECRET_FILE": "key", "PRESSHOOK_WEBHOOK_SECRET": "k"},
            "set one of the two",
        ),
    ],
)
def test_a_command_s_secret_may_be_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: list[str], env: dict[str, str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("of-the-file\n")
    names = ("PRESSHOOK_API_KEY", "API_KEY", "PRESSHOOK_WEBHOOK_SECRET")
    without: dict[str, str | None] = {f"{name}{end}": None for name in names for end in ("", "_FILE")}
    ended = CliRunner().invoke(command_line([line[0]]), line, env={**without, **env, "COLUMNS": "200"})
    assert ended.exit_code != 0
    assert told in ended.output
    assert "of-the-file" not in ended.output


@pytest.mark.parametrize(
    ("env", "sent"),
    [
        ({"PRESSHOOK_API_KEY_FILE": "key"}, "of-the-file"),
        ({"API_KEY_FILE": "key"}, "of-the-file"),
        ({"PRESSHOOK_API_KEY": "own", "API_KEY": "the-service-s"}, "own"),
        ({"PRESSHOOK_API_KEY": "own", "API_KEY_FILE": "key"}, "own"),
        ({"PRESSHOOK_API_KEY_FILE": "key", "API_KEY": "the-service-s"}, "of-the-file"),
        ({"PRESSHOOK_API_KEY": " ", "API_KEY": "the-service-s"}, "the-service-s"),
        ({"API_KEY": "'the-one-key'"}, "the-one-key"),
        ({"API_KEY": " the-one-key "}, "the-one-key"),
        ({"PRESSHOOK_API_KEY": '"the-one-key"'}, "the-one-key"),
        ({"PRESSHOOK_API_KEY": " 'the-one-key' "}, "the-one-key"),
    ],
)
@pytest.mark.parametrize("around", ["{}", " {} ", '"{}"'])
def test_the_key_that_is_sent_is_the_commands_own_before_the_service_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], sent: str, around: str
) -> None:
    """Blanks and quotes around it, or around the service's address, are no part of either, as in settings."""

    def answer(request: Request) -> Response:
        heard.append(request.headers["authorization"])
        return JSONResponse({"data": [], "next_cursor": None})

    heard: list[str] = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("of-the-file\r\n")
    without: dict[str, str | None] = dict.fromkeys(
        f"{name}{end}" for name in ("PRESSHOOK_API_KEY", "API_KEY") for end in ("", "_FILE")
    )
    with served(Starlette(routes=[Route("/v1/orders", answer)])) as url:
        here = {"PRESSHOOK_URL": around.format(url)}
        CliRunner().invoke(command_line(["orders"]), ["orders", "list"], env={**without, **env, **here})
    assert heard == [f"Bearer {sent}"]


@pytest.mark.parametrize("around", ["{}", " {} ", "'{}'"])
def test_the_secret_that_signs_has_no_quotes_around_it(monkeypatch: pytest.MonkeyPatch, around: str) -> None:
    secret = new_secret()
    monkeypatch.setenv("PRESSHOOK_WEBHOOK_SECRET", around.format(secret))
    monkeypatch.delenv("PRESSHOOK_WEBHOOK_SECRET_FILE", raising=False)
    assert secret_of_environment("PRESSHOOK_WEBHOOK_SECRET", option="--secret") == secret


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(typer.BadParameter) as refused:
        address("https://me:s3cr3t@presshook.example.com")
    assert "s3cr3t" not in str(refused.value)


class EnoughError(Exception):
    """The time of a test is up."""


class Clock:
    """A clock that moves by what is slept, and by nothing else."""

    def __init__(self) -> None:
        """Begin."""
        self.slept = 0.0
        self.until = 3600.0

    def monotonic(self) -> float:
        """Return the time."""
        return 1000 + self.slept

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept += seconds
        if self.slept > self.until:
            raise EnoughError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the client, and of nothing else in the process."""
    clock = Clock()
    monkeypatch.setattr(pace_module, "time", clock)
    return clock


def test_a_few_are_asked_at_once_and_then_one_each_second(clock: Clock) -> None:
    pace = Pace()
    for _ in range(65):
        pace.keep()
    assert 59 <= clock.slept <= 61


FAR_TOO_OFTEN = 500
TAGS = itertools.cycle(['"a"', 'W/"a-gzip"', None])


class Restless:
    """A service whose order is never final, and which answers every wait at once."""

    def __init__(self, *, changes: bool) -> None:
        """Change the order each time, or never."""
        self.changes = changes
        self.asked = 0

    async def answer(self, request: Request) -> Response:
        """Answer with an order."""
        self.asked += 1
        tag = next(TAGS)
        status = list(OrderStatus)[self.asked % 5] if self.changes else OrderStatus.PROVISIONING
        if self.asked > FAR_TOO_OFTEN:
            status = OrderStatus.COMPLETED  # or a watch that spins would do so for ever
        order: dict[str, object] = {
            "id": ORDER,
            "status": status,
            "request": {"name": "x", "variant": "vanilla"},
            "tasks": [],
        }
        order |= dict.fromkeys(("account_id", "cloudpress_order_id", "payment_url", "site", "error"))
        order |= {"attention": None, "cancellation": None, "created_at": "2026-11-26T00:45:04Z"}
        return JSONResponse(order, headers={} if tag is None else {"ETag": tag})


@pytest.mark.parametrize("changes", [False, True], ids=["the same", "another one each time"])
def test_no_answer_makes_a_watch_spin(*, changes: bool, clock: Clock) -> None:
    clock.until = 60
    restless = Restless(changes=changes)
    with (
        served(Starlette(routes=[Route("/v1/orders/{order_id}", restless.answer)])) as url,
        pytest.raises(EnoughError),
    ):
        command_line()(
            ["orders", "watch", ORDER, "--json", "--url", url, "--key", "k"], standalone_mode=False
        )
    assert restless.asked <= 70


ENDLESS = [
    ({"data": [{"id": 1}], "next_cursor": "same"}, "the cursor leads back"),
    ({"data": [], "next_cursor": "more"}, "a page brings nothing"),
]


@pytest.mark.parametrize(("page", "reason"), ENDLESS)
def test_pages_that_lead_nowhere_end(page: dict[str, object], reason: str) -> None:
    async def answer(_request: Request) -> Response:
        return JSONResponse(page)

    with (
        served(Starlette(routes=[Route("/v1/{path:path}", answer)])) as url,
        pytest.raises(typer.Exit) as ended,
    ):
        list(_bounded(Client(url, "k").pages("/orders", [])))
    assert ended.value.exit_code == ExitCode.UNREACHABLE, reason


def _bounded(pages: Iterator[object]) -> Iterator[object]:
    for count, page in enumerate(pages):
        assert count < 10, "pages without an end"
        yield page


FOREIGN: list[object] = [
    {},
    {"ok": True},
    {"data": None, "next_cursor": None},
    {"data": [1, None, "x"], "next_cursor": None},
    {"data": [{}], "next_cursor": None, "searching": None},
    {"status": [], "request": None, "ssh": 1},
    [],
    None,
    "<html>",
]
ASKING = [
    ["orders", "list"],
    ["orders", "show", ORDER],
    ["orders", "watch", ORDER],
    ["orders", "credentials", ORDER],
    ["orders", "cancel", ORDER],
    ["orders", "place", "x", "--watch"],
    ["accounts", "list"],
    ["accounts", "show", "x"],
    ["orphans", "list"],
    ["orphans", "adopt", "x", "y"],
    ["orders", "suspects", ORDER],
]


def without_advice(printed: str) -> list[str]:
    """Return lines without the one that says how an order, which may be placed, is not placed once more."""
    return [line for line in printed.splitlines() if "--idempotency-key" not in line]


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_what_is_no_presshook_ends_a_command_in_one_line(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    documents: list[object] = []

    async def answer(_request: Request) -> Response:
        return JSONResponse(documents[-1])

    with served(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "DELETE"])])) as url:
        for document in FOREIGN:
            documents.append(document)
            with pytest.raises(SystemExit) as ended:
                command_line()([*command, "--url", url, "--key", "k"])
            assert ended.value.code == ExitCode.UNREACHABLE, document
            [line] = without_advice(capsys.readouterr().err)
            assert "Presshook" in line


REFUSALS_OF_OTHERS = [
    (404, "application/json", '{"detail": "Not Found"}', "the sandbox, as other programs that we may know"),
    (401, "text/html", "<html>", "a proxy that wants a password"),
    (413, "application/json", "[]", "a proxy that takes less"),
    (429, "application/problem+json", "<html>", "a problem that none is"),
    (302, "text/html", "", "a page where one signs in"),
]


@pytest.mark.parametrize(("status", "kind", "body", "reason"), REFUSALS_OF_OTHERS)
@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_a_refusal_of_another_program_is_not_taken_for_one_of_presshook(
    command: list[str], status: int, kind: str, body: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(_request: Request) -> Response:
        return Response(body, status, headers={"Content-Type": kind})

    with (
        served(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "DELETE"])])) as url,
        pytest.raises(SystemExit) as ended,
    ):
        command_line()([*command, "--url", url, "--key", "k"])
    assert ended.value.code == ExitCode.UNREACHABLE, reason
    [line] = without_advice(capsys.readouterr().err)
    assert "does not look like Presshook" in line
    assert str(status) in line


def test_who_listens_to_another_program_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    async def answer(_request: Request) -> Response:
        return JSONResponse({"detail": "Not Found"}, 404)

    with (
        served(Starlette(routes=[Route("/{path:path}", answer)])) as url,
        pytest.raises(SystemExit) as ended,
    ):
        command_line()(["listen", "--forward-to", "9", "--url", url, "--key", "k"])
    assert ended.value.code == ExitCode.UNREACHABLE
    assert "does not look like Presshook" in capsys.readouterr().err


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["for people", "for scripts"])
@pytest.mark.parametrize("word", ["--place-again", "--fail", "--dismiss-duplicates"])
def test_what_may_be_an_order_is_shown_before_anything_is_decided_and_sent_along(
    word: str, form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[dict[str, Any]] = []

    async def answer(request: Request) -> Response:
        if request.method == "GET":
            suspect = {"cloudpress_order_id": "one", "code": "suspect", "told": None, "placed_at": None}
            suspect |= {"held_by": None, "untold": "CloudPress shows the account no such order."}
            return JSONResponse({"data": [suspect], "left_out": 1, "others": ["other"], "callbacks": 2})
        sent.append(await request.json())
        new = {"suspects": ["new"], "callbacks": 0, "detail": "CloudPress shows new, which may be it."}
        return JSONResponse(new, 409, media_type="application/problem+json")

    with (
        served(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])) as url,
        pytest.raises(SystemExit) as ended,
    ):
        command_line()(["orders", "resolve", ORDER, word, *form, "--url", url, "--key", "k"])
    assert ended.value.code == ExitCode.REFUSED
    [body] = sent
    action = word.removeprefix("--").replace("-", "_")
    assert body == {"action": action, "suspects": ["one", "other"], "callbacks": 2}
    printed = capsys.readouterr()
    assert "shows new" in printed.err
    shown = {"one", "and 1 more: other", "let in for it: 2"}
    assert {each for each in shown if each in printed.out} == (set() if form else shown)


def test_credentials_that_cloudpress_has_not_told_are_said_to_be_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`None` is no user and no password, and somebody would type it."""

    async def answer(_request: Request) -> Response:
        ssh = {"ipaddr": "192.0.2.213", "username": None, "password": None, "port": None}
        return JSONResponse({"ssh": ssh})

    with served(Starlette(routes=[Route("/{path:path}", answer)])) as url:
        line = ["orders", "credentials", ORDER, "--url", url, "--key", "key"]
        command_line()(line, standalone_mode=False)
    printed = capsys.readouterr().out
    assert "None" not in printed
    assert "192.0.2.213" in printed
