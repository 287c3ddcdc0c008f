"""`doctor`: what is wrong with a deployment, and what to do about it."""

import asyncio
import logging
from contextlib import aclosing
from typing import Annotated

import structlog
import typer
from rich.markup import escape

from app.accounts.clients import AccountClients
from app.cli.printing import complain, print_json, say
from app.cli.terminal import console
from app.config.loading import SettingsError, load_settings
from app.config.settings import Settings
from app.db.database import Database
from app.maintenance.doctor.checks import Outcome, Result
from app.maintenance.doctor.elsewhere import PATIENCE_SECONDS, Elsewhere
from app.maintenance.doctor.examining import Deployment, examine
from app.maintenance.doctor.way_in import Prober
from app.secrets import Encryption
from app.telemetry.logs import configure_logging
from app.telemetry.metrics import Metrics

MARKS = {Outcome.OK: "✓", Outcome.WARNING: "!", Outcome.FAILED: "✗", Outcome.SKIPPED: "–"}  # noqa: RUF001 - a dash on purpose
COLOURS = {Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.FAILED: "red", Outcome.SKIPPED: "dim"}
WIDTH = 24


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody but the database.")] = False,
    from_elsewhere: Annotated[
        bool,
        typer.Option(
            "--from-elsewhere", help="Print a command for another machine, and wait for what it sends."
        ),
    ] = False,
    wait: Annotated[
        float, typer.Option(min=1, help="With --from-elsewhere: for how many seconds.")
    ] = PATIENCE_SECONDS,
) -> None:
    """Check settings, database, keys, CloudPress, workers, the way in for callbacks, and webhooks.

    The exit code is 0 where nothing is wrong, 1 where something is, 2 where settings are.
    """
    settings = _load(as_json=as_json)
    configure_logging()
    # What a check finds is told by its line; the log would tell it again, in other words.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    run = (
        _from_elsewhere(settings, wait, as_json=as_json)
        if from_elsewhere
        else _examine(settings, offline=offline, as_json=as_json)
    )
    results = asyncio.run(run)
    if as_json:
        print_json({"ok": not _is_wrong(results), "checks": [_document(result) for result in results]})
    elif not from_elsewhere:
        say("", _summary(results))
    if _is_wrong(results):
        raise typer.Exit(1)


def _load(*, as_json: bool) -> Settings:
    """Read the settings; where they are wrong, a script is told in its JSON, and a person by the one line.

    Raises:
        SettingsError: they are wrong.
    """
    try:
        return load_settings()
    except SettingsError as error:
        if as_json:
            print_json({"ok": False, "checks": [], "settings": str(error)})
        raise


async def _examine(settings: Settings, *, offline: bool, as_json: bool) -> list[Result]:
    db = Database(settings.database, Encryption(settings.secret_keys))
    results = []
    try:
        async with aclosing(AccountClients(settings, db, Metrics())) as clients:
            async for result in examine(Deployment(settings, db, clients), offline=offline):
                results.append(result)
                if not as_json:
                    _print(result)
    finally:
        await db.dispose()
    return results


async def _from_elsewhere(settings: Settings, wait_seconds: float, *, as_json: bool) -> list[Result]:
    db = Database(settings.database, Encryption(settings.secret_keys))
    try:
        elsewhere = Elsewhere(Prober(settings, db), db)
        # What is for a script to read stays apart from what a person is to do.
        tell = complain if as_json else say
        tell("Run this on a machine outside, as CloudPress is:", "", *elsewhere.commands, "")
        results = list(await elsewhere.wait(patience_seconds=wait_seconds))
        for result in results if not as_json else ():
            _print(result)
        return results
    finally:
        await db.dispose()


def _print(result: Result) -> None:
    colour = COLOURS[result.outcome]
    about = f"{result.subject}: " if result.subject else ""
    line = f"[{colour}]{MARKS[result.outcome]}[/] {result.check:<{WIDTH}} {escape(about + result.detail)}"
    console.print(line, highlight=False, soft_wrap=True)
    if result.advice:
        console.print(f"  {'':<{WIDTH}} → {escape(result.advice)}", highlight=False, soft_wrap=True)


def _document(result: Result) -> dict[str, str | None]:
    return {
        "check": str(result.check),
        "outcome": str(result.outcome),
        "subject": result.subject or None,
        "detail": result.detail,
        "advice": result.advice or None,
    }


def _is_wrong(results: list[Result]) -> bool:
    return any(result.outcome is Outcome.FAILED for result in results)


def _summary(results: list[Result]) -> str:
    failures, warnings = (
        sum(result.outcome is outcome for result in results) for outcome in (Outcome.FAILED, Outcome.WARNING)
    )
    if failures:
        return f"{failures} wrong, {warnings} to look at."
    return f"Nothing is wrong; {warnings} to look at." if warnings else "All is well."
