"""Settings, read from the environment and an `.env` file in the working folder.

A missing or malformed setting raises `SettingsError`, whose text is one line that names every setting
at fault and never shows a secret's value.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy.engine import URL

from app.cloudpress import browser_origin, checked_url, header_safe, normalize_base_url, with_written_path
from app.db.url import async_database_url
from app.env_file import EnvFileError, bare, near_misses, read_env_file, read_secret
from app.guessable import is_local, is_published, weakness
from app.webhooks.addresses import Allowance

LOGO = "https://shop.example.com/logo.svg"
# Beside a name and a port only an address's colons and brackets: a comma, a blank or a * would have a policy
# say something else.
PLAIN_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
LONGEST_ACCOUNT_ID = 255
"""How many characters the id of an account may have, the environment's and each that is stored."""
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
RATE = re.compile(r"(\d{1,9})\s*/\s*(second|minute|hour|day)")


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds."""

    requests: int
    seconds: int


def parse_rate(text: str) -> Rate:
    """Read a rate such as `100/minute`.

    Raises:
        ValueError: it is none.
    """
    found = RATE.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise ValueError("must be such as 100/minute (second, minute, hour or day)")
    return Rate(int(found[1]), SECONDS[found[2]])


MIN_SECRET_KEY_LENGTH = 32
# A hundred years: what is longer no calendar can add up.
LONGEST_SPAN_SECONDS = 100 * 365.25 * 24 * 3600


class SettingsError(Exception):
    """The environment does not configure the service; the text is fit to be printed."""


def _span(value: float) -> float:
    if not math.isfinite(value) or value <= 0:
        raise ValueError("must be a positive number of seconds")
    return min(value, LONGEST_SPAN_SECONDS)


def _unless_off(value: object) -> object:
    return None if isinstance(value, str) and value.lower() == "off" else value


def _days(value: float | None) -> float | None:
    if value is not None and (not math.isfinite(value) or value <= 0):
        raise ValueError("must be a positive number of days, or off")
    return value if value is None else min(value, LONGEST_SPAN_SECONDS / SECONDS["day"])


def _header_safe_secret(secret: SecretStr) -> SecretStr:
    header_safe(secret.get_secret_value())
    return secret


def _public_url(value: str) -> str:
    return with_written_path(checked_url(value, example="https://presshook.example.com"))


def _secret_keys(secret: SecretStr) -> SecretStr:
    keys = [key.strip() for key in secret.get_secret_value().split(",")]
    if any(len(key) < MIN_SECRET_KEY_LENGTH for key in keys):
        raise ValueError(
            f"each of its comma-separated keys must have at least {MIN_SECRET_KEY_LENGTH} characters"
        )
    return secret


def _database_url(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    # SQLite would take it for a part of the file's name, and make a new one.
    if any(ord(letter) < 32 for letter in url):
        raise ValueError("must be one line")
    found = async_database_url(url)
    if found.get_backend_name() == "sqlite" and Path(found.database or "").is_dir():
        raise ValueError("must name a file (sqlite:///path), and this is a folder")
    return secret


def _rate(value: str | None) -> str | None:
    if value is not None and value.strip().lower() != "off":
        parse_rate(value)
        return value
    return None


def _origins(value: str | None) -> str | None:
    """Return origins as browsers send them, since they are compared letter by letter."""
    return ",".join(browser_origin(origin) for origin in value.split(",")) if value else value


def _printable(value: str | None) -> str | None:
    if value is not None and not value.isprintable():
        raise ValueError("must be printable text in one line")
    return value


def _colour(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"#[0-9A-Fa-f]{6}", value):
        raise ValueError("must be a colour such as #0b5c63")
    return value


def _logo_url(value: str | None) -> str | None:
    """Return where the logo is, whose host stands in the policy of the pages that show it."""
    if value is None:
        return None
    parts = urlsplit(checked_url(value, example=LOGO))
    if parts.scheme != "https" or ";" in value:
        raise ValueError(f"must be an https address such as {LOGO}")
    if not PLAIN_HOST.fullmatch(parts.netloc):
        raise ValueError(f"must name its host by letters, digits, dots and hyphens alone, such as {LOGO}")
    return value.strip()


def _networks(value: str | None) -> str | None:
    for network in (value or "").split(","):
        if value and network.strip() != "*":
            try:
                ip_network(network.strip(), strict=False)
            except ValueError:
                raise ValueError("must be addresses or networks, comma-separated, or *") from None
    return value


def _private_networks(value: str | None) -> str | None:
    for network in (value or "").split(","):
        try:
            if value:
                ip_network(network.strip(), strict=False)
        except ValueError:
            raise ValueError("must be networks such as 10.0.0.0/8, comma-separated") from None
    return value


Seconds = Annotated[float, AfterValidator(_span)]
HeaderSecret = Annotated[SecretStr, Field(min_length=1), AfterValidator(_header_safe_secret)]
Lowercase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


ENV_FILE = Path(".env")
UNSET = ("unset ", "unset,")
"""What docker-compose.yml begins a value with that has to be given and is not."""
FILE = "_FILE"
"""What a secret's name ends with where it is the name of the file that holds it."""
OTEL = "OTEL_"
"""What the names of OpenTelemetry's own settings begin with."""


class _Environment(EnvSettingsSource):
    """The environment, each value without what a shell, Docker or an editor has left around it."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return _bare_values(super()._load_env_vars())


class _EnvFile(DotEnvSettingsSource):
    """The same of the `.env` file in the working folder, in whatever UTF it is written."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return _bare_values({name.lower(): value for name, value in _env_file().items()})


class _SecretFiles(PydanticBaseSettingsSource):
    """Secrets whose files the environment or the `.env` file names, as `SECRET_KEY_FILE` does."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: all is read at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Read the files.

        Raises:
            EnvFileError: one cannot be read, or its secret is set as well.
        """
        given = {
            name.upper(): value
            for source in (_env_file(), os.environ)
            for name, value in _bare_values(source).items()
        }
        found = {}
        for field, name in secret_settings(self.settings_cls).items():
            path = given.get(name + FILE)
            if path is not None and name in given:
                raise EnvFileError(f"{name}: is set, and so is {name}{FILE}: set one of the two")
            if path is not None:
                found[field] = read_secret(name + FILE, Path(path))
        return found


def secret_settings(kind: type[BaseSettings]) -> dict[str, str]:
    """Return the settings that are secret: their fields, and their names in the environment."""
    return {field: field.upper() for field, info in kind.model_fields.items() if _is_secret(info.annotation)}


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _bare_values(values: Mapping[str, str | None]) -> dict[str, str | None]:
    found = {name: bare(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in found.items() if value and not value.startswith(UNSET)}


def _env_file() -> dict[str, str | None]:
    return read_env_file(ENV_FILE) if os.path.lexists(ENV_FILE) else {}


class DatabaseSettings(BaseSettings):
    """Where the database is and how long it keeps what: all that a command needs which reads no secrets."""

    model_config = SettingsConfigDict(
        # The file is read by `_EnvFile`.
        env_file=None,
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = SecretStr("sqlite:///presshook.db")

    retention_days: Annotated[float | None, BeforeValidator(_unless_off), AfterValidator(_days)] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given, then the environment, then the file, then the files of secrets."""
        sources = (_Environment, _EnvFile, _SecretFiles)
        return init_settings, *(source(settings_cls) for source in sources)

    @cached_property
    def database(self) -> URL:
        """The database's address with the driver that the service uses."""
        return async_database_url(self.database_url.get_secret_value())

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self.database.get_backend_name() == "sqlite"


class Settings(DatabaseSettings):
    """What a deployment sets. The names in the environment are the fields' names in capitals.

    Spans are any positive number of seconds; one of more than a hundred years counts as a hundred years.
    """

    public_url: Annotated[str, AfterValidator(_public_url)] = "http://127.0.0.1:8000"
    cloudpress_base_url: Annotated[str, AfterValidator(normalize_base_url)]
    cloudpress_api_token: HeaderSecret
    cloudpress_account_id: Annotated[
        str, Field(min_length=1, max_length=LONGEST_ACCOUNT_ID), AfterValidator(header_safe)
    ]
    api_key: HeaderSecret | None = None
    secret_key: Annotated[SecretStr, AfterValidator(_secret_keys)]
    callback_wait_seconds: Seconds = 120
    lease_seconds: Seconds = 60
    upstream_timeout_seconds: Seconds = 15
    placement_grace_seconds: Seconds = 900
    placing: Annotated[Literal["on", "off"], Lowercase] = "on"
    place_again: Annotated[Literal["proven", "never"], Lowercase] = "proven"
    account_concurrency: Annotated[int, Field(ge=1, le=1000)] = 8
    dashboard: Annotated[Literal["on", "off"], Lowercase] = "on"
    brand_name: Annotated[str | None, Field(max_length=100), AfterValidator(_printable)] = None
    brand_color: Annotated[str | None, AfterValidator(_colour)] = None
    brand_logo_url: Annotated[str | None, AfterValidator(_logo_url)] = None
    worker_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    rate_limit: Annotated[str | None, AfterValidator(_rate)] = None
    cors_origins: Annotated[str | None, AfterValidator(_origins)] = None
    forwarded_allow_ips: Annotated[str | None, AfterValidator(_networks)] = None
    webhook_allowed_networks: Annotated[str | None, AfterValidator(_private_networks)] = None

    @cached_property
    def secret_keys(self) -> tuple[str, ...]:
        """The keys of `SECRET_KEY` in their order; the first one writes."""
        return tuple(key.strip() for key in self.secret_key.get_secret_value().split(","))

    @cached_property
    def rate(self) -> Rate | None:
        """How much each key may ask, None for as much as it likes."""
        return parse_rate(self.rate_limit) if self.rate_limit else None

    @cached_property
    def webhook_allowance(self) -> Allowance:
        """The networks that webhooks may reach although they are not public."""
        named = (self.webhook_allowed_networks or "").split(",")
        return Allowance(tuple(ip_network(part.strip(), strict=False) for part in named if part.strip()))

    @cached_property
    def origins(self) -> tuple[str, ...]:
        """The origins whose scripts may use the API."""
        return tuple(part.strip() for part in (self.cors_origins or "").split(",") if part.strip())


class _DefaultAccount(DatabaseSettings):
    """What a command may know that goes without the other settings."""

    cloudpress_account_id: str | None = None


class GivenSettings(Settings):
    """Settings that no environment and no file has a say in: what is not given has its default."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the given values alone."""
        return (init_settings,)


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
    return near_misses({**os.environ, **_env_file()}, SETTINGS)


def pass_on_otel_settings() -> None:
    """Put what the file says of OpenTelemetry, which reads the environment alone, there. That outranks it.

    Raises:
        SettingsError: the file cannot be read.
    """
    try:
        found = _bare_values(_env_file())
    except EnvFileError as error:
        raise SettingsError(str(error)) from None
    for name, value in found.items():
        # What is empty in the environment counts as not set, as it does of every other setting.
        if name.upper().startswith(OTEL) and value and not os.environ.get(name.upper()):
            os.environ[name.upper()] = value


SECRETS = frozenset(secret_settings(Settings).values())
SETTINGS = frozenset(name.upper() for name in Settings.model_fields) | {name + FILE for name in SECRETS}

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
