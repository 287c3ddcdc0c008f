"""Settings are loaded: those that are needed are there, and what is public is no secret."""

import os
import re
from pathlib import Path

import pytest

from app.cli import demo
from app.config.loading import SettingsError, load_settings, misspelt_settings, pass_on_otel_settings
from app.guessable import is_published
from tests.config.conftest import GOOD
from tests.settings import make_settings


@pytest.mark.usefixtures("environment")
def test_what_is_not_set_has_its_default() -> None:
    settings = load_settings()
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.cloudpress_base_url == "https://app.cloudpress.example"
    assert settings.api_key is None
    assert (settings.callback_wait_seconds, settings.lease_seconds) == (120, 60)
    assert (settings.upstream_timeout_seconds, settings.placement_grace_seconds) == (15, 900)
    assert settings.placing == "on"
    assert settings.account_concurrency == 8


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError, match=f"^{name}: is not set$"):
        load_settings()


def test_settings_that_are_given_ask_neither_the_environment_nor_a_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PLACING=off\n")
    for name, value in {"LEASE_SECONDS": "soon", "RATE_LIMIT": "1/hour", "PUBLIC_URL": "nowhere"}.items():
        environment.setenv(name, value)
    settings = make_settings("sqlite:///test.db")
    assert (settings.lease_seconds, settings.rate_limit, settings.placing) == (60, None, "on")
    assert settings.public_url == "http://127.0.0.1:8000"


def test_no_secret_is_in_what_settings_show(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgresql://user:s3cr3t@host/db")
    environment.setenv("CLOUDPRESS_API_TOKEN", "s3cr3t-token")
    settings = load_settings()
    assert "s3cr3t" not in repr(settings)
    assert "s3cr3t" not in str(settings.database)


def test_what_the_file_says_of_opentelemetry_is_passed_on(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It reads the environment alone, which outranks the file."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER", "OTEL_SDK_DISABLED")
    for name in names:
        # What is put there while the test lasts is taken away after it.
        environment.setenv(name, "")
    environment.setenv("OTEL_SERVICE_NAME", "of the environment")
    (tmp_path / ".env").write_text(
        "OTEL_EXPORTER_OTLP_ENDPOINT='http://collector:4318'\nOTEL_SERVICE_NAME=of-the-file\n"
        "otel_traces_sampler=always_off\nOTEL_SDK_DISABLED=\nPATH=elsewhere\n"
    )
    before = os.environ["PATH"]
    pass_on_otel_settings()
    told = ["http://collector:4318", "of the environment", "always_off", ""]
    assert [os.environ[name] for name in names] == told
    assert os.environ["PATH"] == before


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABASE_URI", "DATABASE_URL"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("CLOUDPRESS_TOKEN", "CLOUDPRESS_API_TOKEN"),
        ("CLOUDPRESS_URL", "CLOUDPRESS_BASE_URL"),
        ("SECRETKEY", "SECRET_KEY"),
        ("PRESSHOOK_DATABASE_URL", "DATABASE_URL"),
        ("LEASE_SECOND", "LEASE_SECONDS"),
        ("UPSTREAM-TIMEOUT-SECONDS", "UPSTREAM_TIMEOUT_SECONDS"),
    ],
)
@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_misspelt_name_is_told(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str, meant: str, place: str
) -> None:
    if place == "file":
        (tmp_path / ".env").write_text(f"{name}=x\n")
    else:
        environment.setenv(name, "x")
    assert misspelt_settings() == {name: meant}
    environment.delenv(meant, raising=False)
    if meant in GOOD:
        with pytest.raises(SettingsError, match=rf"{meant}: is not set \({name} is: is it meant\?\)"):
            load_settings()


def test_names_that_others_use_are_not_taken_for_ours(environment: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "SECRET_KEY_BASE", "PRESSHOOK_URL", "PRESSHOOK_API_KEY", "DATABASE",
                 "lease_seconds", "APP_SECRET", "REDIS_URL", "MY_DATABASE_URL_2", "PUBLIC_IP"):  # fmt: skip
        environment.setenv(name, "1")
    assert misspelt_settings() == {}


LOCAL = {"CLOUDPRESS_BASE_URL": "http://127.0.0.1:8001", "PUBLIC_URL": "http://127.0.0.1:8000"}
PLAYGROUND = {"CLOUDPRESS_BASE_URL": "http://sandbox:8001", "PUBLIC_URL": "http://presshook:8000"}
ABROAD = {"CLOUDPRESS_BASE_URL": "https://app.cloudpress.example", "PUBLIC_URL": "http://127.0.0.1:8000"}
PUBLIC = {"CLOUDPRESS_BASE_URL": "http://127.0.0.1:8001", "PUBLIC_URL": "https://hooks.shop.example"}


@pytest.mark.parametrize("where", [LOCAL, PLAYGROUND, ABROAD, PUBLIC])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEY", "x"),
        ("API_KEY", "a" * 32),
        ("API_KEY", "abab" * 8),
        ("API_KEY", "0123456789" * 4),
        ("SECRET_KEY", "a" * 32),
        ("SECRET_KEY", "abc" * 12),
        ("SECRET_KEY", "12345678901234567890123456789012"),
        ("SECRET_KEY", f"{GOOD['SECRET_KEY']},{'z' * 40}"),
    ],
)
def test_a_secret_that_is_soon_guessed_is_refused_everywhere(
    environment: pytest.MonkeyPatch, where: dict[str, str], name: str, value: str
) -> None:
    for each, address in where.items():
        environment.setenv(each, address)
    environment.setenv(name, value)
    with pytest.raises(
        SettingsError, match=rf"^{name}: can be guessed: .*; make one: openssl rand"
    ) as caught:
        load_settings()
    assert len(value) < 4 or value not in str(caught.value)


PUBLISHED = [
    ("API_KEY", "demo-key"),
    ("API_KEY", "DEMO-KEY"),
    ("API_KEY", "shop-key-1"),
    ("SECRET_KEY", "a-public-key-for-the-playground-alone"),
    ("DATABASE_URL", "postgresql://presshook:presshook@postgres/presshook"),
    ("PGPASSWORD", "presshook"),
]


@pytest.mark.parametrize(("name", "value"), PUBLISHED)
@pytest.mark.parametrize("where", [ABROAD, PUBLIC])
def test_what_is_published_is_refused_where_others_can_come(
    environment: pytest.MonkeyPatch, where: dict[str, str], name: str, value: str
) -> None:
    for each, address in where.items():
        environment.setenv(each, address)
    if name == "PGPASSWORD":
        environment.setenv("DATABASE_URL", "postgresql://presshook@postgres/presshook")
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=r"is public|fewer than 16 characters"):
        load_settings()


@pytest.mark.parametrize(("name", "value"), PUBLISHED)
@pytest.mark.parametrize("where", [LOCAL, PLAYGROUND])
def test_the_playground_keeps_what_is_published(
    environment: pytest.MonkeyPatch, where: dict[str, str], name: str, value: str
) -> None:
    for each, address in where.items():
        environment.setenv(each, address)
    environment.setenv(name, value)
    assert load_settings().public_url == where["PUBLIC_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEY", "password1234" * 3),
        ("API_KEY", "hunter2-Rosa" * 2 + "hunter2"),
        ("SECRET_KEY", "q8Zt4mWk1xPv" * 3),
        ("SECRET_KEY", "correct-horse-staple" * 2),
    ],
)
@pytest.mark.parametrize("where", [ABROAD, PUBLIC])
def test_a_short_secret_is_no_longer_for_being_repeated(
    environment: pytest.MonkeyPatch, where: dict[str, str], name: str, value: str
) -> None:
    for each, address in where.items():
        environment.setenv(each, address)
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"^{name}: can be guessed: "):
        load_settings()


def test_every_secret_of_the_playground_counts_as_published() -> None:
    compose = (Path(__file__).parents[2] / "docker-compose.yml").read_text()
    defaults = re.findall(r"\$\{(?:\w*(?:KEY|PASSWORD|TOKEN)):-(?:\$\{[^}]*\})?([^}]+)\}", compose)
    assert len(defaults) >= 4
    assert all(is_published(value) for value in [*defaults, demo.API_KEY, demo.TOKEN])


@pytest.mark.parametrize("written", ["CLOUDPRESS_API_TOKEN:s3cr=tok\n", "CLOUDPRESS_API_TOKEN:s3cr=\n"])
def test_what_a_colon_sets_is_in_no_complaint(
    environment: pytest.MonkeyPatch, tmp_path: Path, written: str
) -> None:
    """Up to the first = it is a name to the parser, and a name that is nearly a setting's is told."""
    environment.delenv("CLOUDPRESS_API_TOKEN")
    (tmp_path / ".env").write_text(written)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "s3cr" not in str(caught.value)
