"""Which settings there are."""

from functools import cached_property
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL

from app.cloudpress import header_safe, normalize_base_url
from app.config import values
from app.config.rates import Rate, parse_rate
from app.config.sources import FILE, EnvFile, Environment, SecretFiles, env_file, secret_settings
from app.config.values import LONGEST_ACCOUNT_ID, HeaderSecret, Lowercase, Seconds
from app.db.url import async_database_url
from app.webhooks.addresses import Allowance


class DatabaseSettings(BaseSettings):
    """Where the database is and how long it keeps what: all that a command needs which reads no secrets."""

    model_config = SettingsConfigDict(
        # The file is read by `EnvFile`.
        env_file=None,
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    database_url: Annotated[SecretStr, AfterValidator(values.database_url)] = SecretStr(
        "sqlite:///presshook.db"
    )

    retention_days: Annotated[
        float | None, BeforeValidator(values.unless_off), AfterValidator(values.days)
    ] = None

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
        file = env_file(SETTINGS)
        files = (EnvFile(settings_cls, file), SecretFiles(settings_cls, file))
        return init_settings, Environment(settings_cls), *files

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

    public_url: Annotated[str, AfterValidator(values.public_url)] = "http://127.0.0.1:8000"
    cloudpress_base_url: Annotated[str, AfterValidator(normalize_base_url)]
    cloudpress_api_token: HeaderSecret
    cloudpress_account_id: Annotated[
        str, Field(min_length=1, max_length=LONGEST_ACCOUNT_ID), AfterValidator(header_safe)
    ]
    api_key: HeaderSecret | None = None
    secret_key: Annotated[SecretStr, AfterValidator(values.secret_keys)]
    callback_wait_seconds: Seconds = 120
    lease_seconds: Seconds = 60
    upstream_timeout_seconds: Seconds = 15
    placement_grace_seconds: Seconds = 900
    placing: Annotated[Literal["on", "off"], Lowercase] = "on"
    place_again: Annotated[Literal["proven", "never"], Lowercase] = "proven"
    account_concurrency: Annotated[int, Field(ge=1, le=1000)] = 8
    dashboard: Annotated[Literal["on", "off"], Lowercase] = "on"
    brand_name: Annotated[str | None, Field(max_length=100), AfterValidator(values.printable)] = None
    brand_color: Annotated[str | None, AfterValidator(values.colour)] = None
    brand_logo_url: Annotated[str | None, AfterValidator(values.logo_url)] = None
    worker_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    rate_limit: Annotated[str | None, AfterValidator(values.rate)] = None
    cors_origins: Annotated[str | None, AfterValidator(values.origins)] = None
    forwarded_allow_ips: Annotated[str | None, AfterValidator(values.networks)] = None
    webhook_allowed_networks: Annotated[str | None, AfterValidator(values.private_networks)] = None

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


SECRETS = frozenset(secret_settings(Settings).values())
SETTINGS = frozenset(name.upper() for name in Settings.model_fields) | {name + FILE for name in SECRETS}
