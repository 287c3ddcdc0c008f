"""CloudPress, for each account: whether it answers, takes the token, and tells what can be ordered."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from app.accounts.clients import AccountClients
from app.accounts.store import UnknownAccountError, find_accounts
from app.cloudpress import About, Answer, BadAnswer, CloudPressError, Refused
from app.cloudpress.protocol import Provider
from app.db.database import Database
from app.db.errors import DATABASE_AWAY
from app.maintenance.doctor.checks import Check, Result, counted, failed, ok, skipped, warning

ALLOW_LIST = (
    "set a token of this account that is taken; where the token has a list of allowed addresses, the address "
    "that this machine leaves from has to be on it"
)


@dataclass
class Asked:
    """What CloudPress told of an account, and by how much its clock is ahead of this machine's."""

    results: list[Result] = field(default_factory=list)
    ahead_seconds: float | None = None


async def accounts_of(db: Database, default: str) -> list[str]:
    """Return the environment's account and those that are stored; the former alone if they cannot be read."""
    try:
        async with db.read() as session:
            stored = [account.id for account in await find_accounts(session)]
    except (SQLAlchemyError, *DATABASE_AWAY):
        stored = []
    return list(dict.fromkeys([default, *stored]))


async def check_account(clients: AccountClients, account_id: str) -> Asked:
    """Ask CloudPress under one account."""
    asked = Asked()
    try:
        provider = await clients.of(account_id)
    except (UnknownAccountError, SQLAlchemyError, *DATABASE_AWAY):
        advice = "store the account's token again: PUT /v1/accounts/{id}, or `presshook accounts set`"
        asked.results.append(
            failed(Check.TOKEN, "no token that can be decrypted is stored", advice, subject=account_id)
        )
        return asked
    try:
        about = await _ask(provider)
    except CloudPressError as error:
        asked.results += _refused(error, account_id)
        return asked
    if about.date is not None:
        asked.ahead_seconds = (about.date - datetime.now(UTC)).total_seconds()
    asked.results += [
        ok(Check.CLOUDPRESS, "answers", subject=account_id),
        ok(Check.TOKEN, "is taken", subject=account_id),
        _catalog(about.value, account_id),
    ]
    return asked


async def _ask(provider: Provider) -> Answer[About]:
    about = await provider.about()
    # `about` may do without the account; the list of orders needs it. (provider page: X-Auth-Account)
    await provider.orders()
    return about


def _refused(error: CloudPressError, account_id: str) -> list[Result]:
    if isinstance(error, Refused):
        status = error.status
        if status in {401, 403}:
            return [
                ok(Check.CLOUDPRESS, "answers", subject=account_id),
                failed(Check.TOKEN, f"CloudPress answers {status}", ALLOW_LIST, subject=account_id),
            ]
        advice = "see that CLOUDPRESS_BASE_URL is the brand's host, without /api"
        if status == 429 or status >= 500:
            advice = "try again later; if it lasts, ask CloudPress"
        return [failed(Check.CLOUDPRESS, f"CloudPress answers {status}", advice, subject=account_id)]
    if isinstance(error, BadAnswer):
        advice = (
            "see that CLOUDPRESS_BASE_URL is the brand's host; if what answers is CloudPress, report this"
        )
        return [failed(Check.CLOUDPRESS, str(error), advice, subject=account_id)]
    advice = "see that CLOUDPRESS_BASE_URL is right and that this machine may reach it"
    return [failed(Check.CLOUDPRESS, f"no answer: {error}", advice, subject=account_id)]


def _catalog(about: About, account_id: str) -> Result:
    locations, products = len(about.locations), len(about.products)
    told = f"{counted(locations, 'location')}, {counted(products, 'plan')}"
    if not locations or not products:
        advice = "orders are not checked against what is not known; ask CloudPress why its catalog is empty"
        return warning(Check.CATALOG, told, advice, subject=account_id)
    return ok(Check.CATALOG, told, subject=account_id)


def not_asked() -> list[Result]:
    """Say that CloudPress was left alone."""
    return [skipped(check, "offline") for check in (Check.CLOUDPRESS, Check.TOKEN, Check.CATALOG)]
