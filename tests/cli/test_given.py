"""What is left empty or said twice on the command line is refused before anything is sent."""

import json
from typing import Any
from uuid import uuid4

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner, Result

from app.cli import command_line
from tests.cli.conftest import served


def _place(*options: str) -> tuple[Result, list[tuple[str, Any]]]:
    """Order a site; return how the command ended, and the keys and bodies that the service has heard."""
    heard: list[tuple[str, Any]] = []

    async def taken(request: Request) -> JSONResponse:
        heard.append((request.headers["idempotency-key"], json.loads(await request.body())))
        return JSONResponse({"id": str(uuid4())}, 201)

    app = Starlette(routes=[Route("/v1/orders", taken, methods=["POST"])])
    with served(app) as url:
        line = ["orders", "place", "Site", "--json", "--url", url, "--key", "key", *options]
        return CliRunner().invoke(command_line(["orders"]), line), heard


@pytest.mark.parametrize("key", ["", " "])
def test_an_idempotency_key_that_is_empty_orders_nothing(key: str) -> None:
    """A script whose variable is not set would buy a site each time that it runs."""
    ended, heard = _place("--idempotency-key", key)
    assert (ended.exit_code, heard) == (2, [])
    assert "--idempotency-key" in ended.output


def test_an_idempotency_key_is_sent_as_it_is_given_and_else_each_order_has_its_own() -> None:
    [(given, _)] = _place("--idempotency-key", "of the script")[1]
    made = {_place()[1][0][0] for _ in range(2)}
    assert (given, len(made)) == ("of the script", 2)


def test_metadata_of_one_name_twice_orders_nothing() -> None:
    """The API refuses a name that comes twice as well: of two values one would be passed over unseen."""
    ended, heard = _place("--metadata", "customer=4711", "--metadata", "customer=4712")
    assert (ended.exit_code, heard) == (2, [])
    assert "--metadata" in ended.output
    assert "customer is given twice" in ended.output


def test_metadata_of_several_names_is_sent() -> None:
    ended, [(_, body)] = _place("--metadata", "customer=4711", "--metadata", "note=a=b")
    assert (ended.exit_code, body["metadata"]) == (0, {"customer": "4711", "note": "a=b"})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--fault", "task-failed=1", "--fault", "task-failed=0"], "--fault"),
        (["--fault", "task-failed=often"], "--fault"),
        (["--also", "s3cr3t=one", "--also", "s3cr3t=two"], "--also"),
        (["--token", "s3cr3t", "--also", "s3cr3t=two"], "--also"),
        (["--token", ""], "--token"),
        (["--account", ""], "--account"),
        (["--public-url", ""], "--public-url"),
    ],
)
def test_a_sandbox_that_is_told_two_things_or_nothing_does_not_start(options: list[str], named: str) -> None:
    ended = CliRunner().invoke(command_line(["sandbox"]), ["sandbox", *options])
    assert ended.exit_code == 2
    assert named in ended.output
    assert "s3cr3t" not in ended.output
