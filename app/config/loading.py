"""Settings are read and held against each other, and what is wrong with them is told in one line."""

import os
from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from app.config.settings import SETTINGS, DatabaseSettings, Settings
from app.config.sources import bare_values, env_file
from app.env_file import EnvFileError, near_misses
from app.guessable import is_local, is_published, weakness

OTEL = "OTEL_"
"""What the names of OpenTelemetry's own settings begin with."""


class SettingsError(Exception):
    """The environment does not configure the service; the text is fit to be printed."""


class _DefaultAccount(DatabaseSettings):
    """What a command may know that goes without the other settings."""

    cloudpress_account_id: str | None = None


def load_database_settings() -> DatabaseSettings:
    """Read from the environment where the database is, and nothing else.

    Raises:
        SettingsError: it is malformed.
    """
    return _load(DatabaseSettings)


def default_account_id() -> str | None:
    """Return the account that orders are placed for by default; None where that is not known here."""
    return _load(_DefaultAccount).cloudpress_account_id


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: one is missing or malformed, is no secret although it has to be one, or they contradict
            each other.
    """
    settings = _load(Settings)
    weak = _weaknesses(settings)
    if weak:
        raise SettingsError("; ".join(weak))
    if settings.upstream_timeout_seconds >= settings.lease_seconds:
        raise SettingsError(
            "UPSTREAM_TIMEOUT_SECONDS must be less than LEASE_SECONDS, or a request could outlive "
            "the hold on its order"
        )
    return settings


def misspelt_settings() -> Mapping[str, str]:
    """Return which names in the environment and in the file look like a setting's, and like which one's."""
    return near_misses({**os.environ, **env_file(SETTINGS)}, SETTINGS)


def pass_on_otel_settings() -> None:
    """Put what the file says of OpenTelemetry, which reads the environment alone, there. That outranks it.

    Raises:
        SettingsError: the file cannot be read.
    """
    try:
        found = bare_values(env_file(SETTINGS))
    except EnvFileError as error:
        raise SettingsError(str(error)) from None
    for name, value in found.items():
        # What is empty in the environment counts as not set, as it does of every other setting.
        if name.upper().startswith(OTEL) and value and not os.environ.get(name.upper()):
            os.environ[name.upper()] = value


T = TypeVar("T", bound=DatabaseSettings)


def _load(kind: type[T]) -> T:
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("; ".join(_complaints(error))) from None
    except EnvFileError as error:
        raise SettingsError(str(error)) from None


def _weaknesses(settings: Settings) -> list[str]:
    """Say which secrets are none. Only where all is on one machine may they be those of the playground."""
    is_playing = is_local(settings.public_url) and is_local(settings.cloudpress_base_url)
    secrets = [("SECRET_KEY", key) for key in settings.secret_keys]
    if settings.api_key is not None:
        secrets.append(("API_KEY", settings.api_key.get_secret_value()))
    found = [(name, weakness(name, value, is_playing=is_playing)) for name, value in secrets]
    weak = [f"{name}: {reason}" for name, reason in found if reason is not None]
    password = settings.database.password or os.environ.get("PGPASSWORD", "")
    if not is_playing and not settings.is_sqlite and is_published(str(password)):
        weak.append(
            "DATABASE_URL: the database's password is public: everybody can read it in Presshook's "
            "repository; set another one (POSTGRES_PASSWORD in docker-compose.yml)"
        )
    return weak


def _complaints(error: ValidationError) -> list[str]:
    misspelt = {meant: name for name, meant in misspelt_settings().items()}
    complaints = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
        reason = "is not set" if problem["type"] == "missing" else problem["msg"]
        if problem["type"] == "missing" and name in misspelt:
            reason += f" ({misspelt[name]} is: is it meant?)"
        complaints.append(f"{name}: {reason.removeprefix('Value error, ')}")
    return complaints
