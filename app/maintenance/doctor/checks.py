"""What can be checked of a deployment, and what a check tells."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.states import Code


class Check(Code):
    """What is checked, in this order, each with a sentence that says what is so where all is well."""

    PUBLIC_URL = "settings.public_url", "PUBLIC_URL is an address that CloudPress can reach, over https."
    SECRETS = "settings.secrets", "API_KEY and SECRET_KEY are secrets."
    DATABASE = "database.reachable", "The database can be reached and is migrated."
    ENCODING = "database.encoding", "The database can store every text."
    RIGHTS = "database.rights", "The database lets Presshook read and write every table."
    ISOLATION = "database.isolation", "Transactions are isolated as Presshook expects."
    DISK = "database.disk", "There is room left on the database's disk."
    LISTEN = "database.listen", "What one process says over the database, another hears at once."
    CLOCK = "database.clock", "The clocks of the database and of CloudPress agree."
    KEYS = "keys.needed", "SECRET_KEY holds every key that something still needs, and no other."
    CLOUDPRESS = "cloudpress.reachable", "CloudPress answers."
    TOKEN = "cloudpress.token", "CloudPress takes the account's API token."
    CATALOG = "cloudpress.catalog", "CloudPress tells what the account can order."
    WORKERS = "workers.alive", "A worker lives."
    DUE = "workers.due", "What is due is taken up soon."
    NAME = "callbacks.name", "The name in PUBLIC_URL leads to addresses that answer."
    CERTIFICATE = "callbacks.certificate", "The certificate of PUBLIC_URL is trusted and lasts."
    REDIRECT = "callbacks.redirect", "PUBLIC_URL answers itself, and does not send elsewhere."
    WAY_IN = "callbacks.way_in", "A callback to PUBLIC_URL comes in at this deployment."
    AUTHORIZATION = "callbacks.authorization", "A callback's Authorization header comes in with it."
    BODY_LIMIT = "callbacks.body_limit", "A callback of 64 KiB comes in, and a larger one is refused here."
    EVIDENCE = "callbacks.evidence", "Orders that have finished were called back."
    WEBHOOKS = "webhooks.enabled", "No webhook was disabled for taking nothing, and none fails."
    WEBHOOK_ADDRESSES = "webhooks.addresses", "Webhooks lead to addresses that may be reached."
    WEBHOOK_CERTIFICATES = "webhooks.certificates", "The certificates of webhooks are trusted and last."


class Outcome(StrEnum):
    """What came of a check, the gravest last."""

    SKIPPED = "skipped"
    OK = "ok"
    WARNING = "warning"
    """It works, but it will hurt."""
    FAILED = "failed"


@dataclass(frozen=True)
class Result:
    """What a check found, in one line, and what to do; `subject` is what it is about, of several."""

    check: Check
    outcome: Outcome
    detail: str
    advice: str = ""
    subject: str = ""


def ok(check: Check, detail: str, *, subject: str = "") -> Result:
    """All is well."""
    return Result(check, Outcome.OK, detail, subject=subject)


def warning(check: Check, detail: str, advice: str, *, subject: str = "") -> Result:
    """It works, but it will hurt."""
    return Result(check, Outcome.WARNING, detail, advice, subject)


def failed(check: Check, detail: str, advice: str, *, subject: str = "") -> Result:
    """Something is wrong."""
    return Result(check, Outcome.FAILED, detail, advice, subject)


def skipped(check: Check, detail: str, *, subject: str = "") -> Result:
    """It could not be looked at, or there is nothing to look at."""
    return Result(check, Outcome.SKIPPED, detail, subject=subject)


def gravest(results: Iterable[Result]) -> Result:
    """Return the first of the gravest results, of which there has to be one."""
    order = list(Outcome)
    return max(results, key=lambda result: order.index(result.outcome))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
