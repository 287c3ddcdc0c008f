"""`keys`: API keys, made and changed in the database itself, so that the first one needs no other."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.markup import escape

from app.accounts.store import find_accounts
from app.api.routes.keys import MAX_GRACE_SECONDS, KeyRequest
from app.cli.ending import fail
from app.cli.maintenance import with_database
from app.cli.options import Json
from app.cli.printing import complain, print_json, say
from app.cli.tables import listing
from app.cli.terminal import console
from app.config.loading import default_account_id
from app.db.database import Database
from app.db.models import ApiKey
from app.keys.changing import (
    KeyExpiredError,
    MadeKey,
    RotationUnderWayError,
    TooManyKeysError,
    make_key,
    revoke_key,
    rotate_key,
)
from app.keys.finding import find_keys
from app.keys.grants import NewKey, Scope
from app.keys.names import COMMAND_LINE

app = typer.Typer(help="Make, list, rotate and revoke API keys.", no_args_is_help=True)

KeyId = Annotated[UUID, typer.Argument(metavar="ID", help="The key's id, which is not the key.")]
MAX_GRACE_HOURS = MAX_GRACE_SECONDS / 3600
MAX_DAYS = 36_500
EVERYTHING = [Scope.ORDERS_READ, Scope.ORDERS_WRITE, Scope.CREDENTIALS_READ]


def _document(key: ApiKey) -> dict[str, object]:
    moments = {
        name: moment.isoformat() if moment else None
        for name, moment in (
            ("created_at", key.created_at),
            ("rotated_at", key.rotated_at),
            ("former_until", key.former_until),
            ("expires_at", key.expires_at),
            ("revoked_at", key.revoked_at),
            ("last_used_at", key.last_used_at),
        )
    }
    return {
        "id": str(key.id),
        "name": key.name,
        "start": key.start,
        "scopes": key.scopes,
        "account_ids": key.account_ids,
        **moments,
    }


def _tell(made: MadeKey, *, as_json: bool) -> None:
    if as_json:
        print_json({**_document(made.stored), "key": made.key})
        return
    complain(f"Key {made.stored.id} ({made.stored.name}). It is shown this once:")
    say(made.key)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who uses it; timelines show this name.")],
    *,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do; may be repeated. Orders and credentials if not given."),
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="The only accounts that exist for it; may be repeated.")
    ] = None,
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, max=MAX_DAYS, help="When it stops working.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key, and print it this once."""
    expires_at = datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None
    _require_acceptable(name, account)
    new = NewKey(name, tuple(scope or EVERYTHING), tuple(account) if account else None, expires_at)
    try:
        made, unknown = with_database(lambda db: _make(db, new))
    except TooManyKeysError as error:
        fail(str(error))
    for each in unknown:
        complain(
            f"No token is stored for the account {each} (`presshook accounts set`): unless it is the "
            "service's own CLOUDPRESS_ACCOUNT_ID, the key can order nothing there."
        )
    _tell(made, as_json=as_json)


async def _make(db: Database, new: NewKey) -> tuple[MadeKey, list[str]]:
    """Make a key; return it, and the accounts of it that nothing here knows, which may be mistyped."""
    made = await make_key(db, new, by=COMMAND_LINE)
    if not new.account_ids:
        return made, []
    asked = {*new.account_ids} - {default_account_id()}
    async with db.read() as session:
        stored = {account.id for account in await find_accounts(session)}
    return made, sorted(asked - stored)


def _require_acceptable(name: str, account_ids: list[str] | None) -> None:
    """End the command if the API would not make such a key."""
    try:
        KeyRequest(name=name, scopes=EVERYTHING, account_ids=account_ids or None)
    except ValidationError as invalid:
        errors = [(str(it["loc"][0]), it["msg"].removeprefix("Value error, ")) for it in invalid.errors()]
        told = [f"  {'--account' if field == 'account_ids' else field}: {detail}" for field, detail in errors]
        fail("The key cannot be made.", *told)


async def _all(db: Database) -> tuple[ApiKey, ...]:
    async with db.read() as session:
        return await find_keys(session)


@app.command("list")
def list_keys(*, as_json: Json = False) -> None:
    """List keys, the newest first."""
    keys = with_database(_all)
    if as_json:
        print_json([_document(key) for key in keys])
        return
    rows = [
        (
            str(key.id),
            _state(key),
            escape(key.name),
            f"{key.start}…",
            " ".join(key.scopes),
            escape(" ".join(key.account_ids or ["all"])),
        )
        for key in keys
    ]
    names = ("id", "state", "name", "starts with", "scopes", "accounts")
    console.print(listing(names, rows, first=2))


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "[red]revoked[/]"
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        return "[red]expired[/]"
    return f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"


@app.command()
def rotate(
    key_id: KeyId,
    *,
    grace_hours: Annotated[
        float, typer.Option(min=0, max=MAX_GRACE_HOURS, help="How long the old key goes on working.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Replace a key by a new one with the same rights, and print that this once."""
    try:
        made = with_database(
            lambda db: rotate_key(db, key_id, grace_seconds=grace_hours * 3600, by=COMMAND_LINE)
        )
    except (KeyExpiredError, RotationUnderWayError) as error:
        fail(str(error))
    if made is None:
        fail("There is no such key, or it is revoked.")
    _tell(made, as_json=as_json)


@app.command()
def revoke(key_id: KeyId) -> None:
    """Let a key in no more."""
    if not with_database(lambda db: revoke_key(db, key_id, by=COMMAND_LINE)):
        fail("There is no such key.")
    say(f"Key {key_id} is revoked.")
