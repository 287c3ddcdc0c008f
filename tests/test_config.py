"""Settings: what is taken, and that a bad one is named and a secret one never shown."""

from pathlib import Path

import pytest

from app.config import LONGEST_SPAN_SECONDS, SettingsError, load_settings
from app.db.url import async_database_url
from tests.settings import make_settings

GOOD = {
    "CLOUDPRESS_BASE_URL": "https://app.cloudpress.example/api/",
    "CLOUDPRESS_API_TOKEN": "token",
    "CLOUDPRESS_ACCOUNT_ID": "account",
    "SECRET_KEY": "k" * 32,
}
NAMES = [
    "DATABASE_URL", "PUBLIC_URL", "CLOUDPRESS_BASE_URL", "CLOUDPRESS_API_TOKEN", "CLOUDPRESS_ACCOUNT_ID",
    "API_KEY", "SECRET_KEY", "CALLBACK_WAIT_SECONDS", "LEASE_SECONDS", "UPSTREAM_TIMEOUT_SECONDS",
    "PLACEMENT_GRACE_SECONDS", "PLACING",
]  # fmt: skip


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment with the settings that are needed, and no `.env` file."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_what_is_not_set_has_its_default() -> None:
    settings = load_settings()
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.cloudpress_base_url == "https://app.cloudpress.example"
    assert settings.api_key is None
    assert (settings.callback_wait_seconds, settings.lease_seconds) == (120, 60)
    assert (settings.upstream_timeout_seconds, settings.placement_grace_seconds) == (15, 900)
    assert settings.placing == "on"


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError, match=f"^{name}: is not set$"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DATABASE_URL", "mysql://user:s3cr3t@host/db", "only the two databases"),
        ("DATABASE_URL", "s3cr3t", "not a URL"),
        ("DATABASE_URL", "sqlite://", "several connections need one file"),
        ("DATABASE_URL", "postgresql://user:s3cr3t@host/db?foo=1", "an option that PostgreSQL does not know"),
        ("DATABASE_URL", "postgresql://user:s3cr3t@host/db?options=-c%20x&ssl=s3cr3t", "nor this one"),
        ("PUBLIC_URL", "presshook.example", "no scheme"),
        ("PUBLIC_URL", "https://presshook.example:abc", "a port is a number"),
        ("PUBLIC_URL", "https://presshook.example:99999", "no such port"),
        ("PUBLIC_URL", "https://press hook.example", "no host is called that"),
        ("PUBLIC_URL", "https://[::1", "half an address"),
        ("PUBLIC_URL", "https://user:s3cr3t@presshook.example", "a user in it"),
        ("CLOUDPRESS_BASE_URL", "ftp://app.cloudpress.example", "not http"),
        ("CLOUDPRESS_BASE_URL", "https://user:s3cr3t@app.cloudpress.example", "a user in it"),
        ("CLOUDPRESS_API_TOKEN", "s3cr3t\nheader: x", "it could not be a header"),
        ("CLOUDPRESS_ACCOUNT_ID", "ä", "it could not be a header"),
        ("API_KEY", "s3cr3t key", "it could not be a header"),
        ("SECRET_KEY", "s3cr3t", "too short to be one"),
        ("SECRET_KEY", f"{'k' * 32},s3cr3t", "each of them has to be long enough"),
        ("CALLBACK_WAIT_SECONDS", "0", "a positive number"),
        ("LEASE_SECONDS", "-1", "a positive number"),
        ("LEASE_SECONDS", "nan", "a number"),
        ("UPSTREAM_TIMEOUT_SECONDS", "inf", "a finite number"),
        ("UPSTREAM_TIMEOUT_SECONDS", "60", "a request may not outlive the lease"),
        ("PLACEMENT_GRACE_SECONDS", "soon", "a number"),
        ("PLACING", "maybe", "on or off"),
    ],
)
def test_a_malformed_setting_is_named_in_one_line_without_its_value(
    environment: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name}"), reason
    assert "\n" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://presshook.example:8443/hooks/", " https://[::1]:8000 "])
def test_a_public_url_may_have_a_port_and_a_path(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("PUBLIC_URL", url)
    assert load_settings().public_url == url.strip().rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cr3t@host:5432/db?sslmode=require&application_name=presshook",
        "postgresql:///db?host=/var/run/postgresql",
        "postgres://user@/db?host=one:5432&host=other:5432&target_session_attrs=read-write",
    ],
)
def test_what_postgresql_knows_is_taken(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("DATABASE_URL", url)
    assert load_settings().database.query.keys() == async_database_url(url).query.keys()


@pytest.mark.parametrize("name", ["CALLBACK_WAIT_SECONDS", "LEASE_SECONDS", "PLACEMENT_GRACE_SECONDS"])
def test_a_span_of_more_than_a_hundred_years_is_a_hundred_years(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.setenv(name, "1e300")
    assert getattr(load_settings(), name.lower()) == LONGEST_SPAN_SECONDS


def test_settings_that_are_given_ask_neither_the_environment_nor_a_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PLACING=off\n")
    for name, value in {"LEASE_SECONDS": "soon", "RATE_LIMIT": "1/hour", "PUBLIC_URL": "nowhere"}.items():
        environment.setenv(name, value)
    settings = make_settings("sqlite:///test.db")
    assert (settings.lease_seconds, settings.rate_limit, settings.placing) == (60, None, "on")
    assert settings.public_url == "http://127.0.0.1:8000"


def test_a_file_is_read_as_well(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLACING=OFF\nUNRELATED=1\n")
    environment.setenv("API_KEY", "")
    assert load_settings().placing == "off"
    assert load_settings().api_key is None


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///presshook.db", "sqlite+aiosqlite"),
        ("postgresql://host/db", "postgresql+psycopg"),
        ("postgres://host/db", "postgresql+psycopg"),
    ],
)
def test_the_url_alone_chooses_the_driver(url: str, driver: str) -> None:
    assert async_database_url(url).drivername == driver


def test_no_secret_is_in_what_settings_show(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgresql://user:s3cr3t@host/db")
    environment.setenv("CLOUDPRESS_API_TOKEN", "s3cr3t-token")
    settings = load_settings()
    assert "s3cr3t" not in repr(settings)
    assert "s3cr3t" not in str(settings.database)
