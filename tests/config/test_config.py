"""Settings: what is taken, and that a bad one is named and a secret one never shown."""

import os
import re
from pathlib import Path

import pytest

from app.cli import demo
from app.config.loading import (
    SECRETS,
    SettingsError,
    load_database_settings,
    load_settings,
    misspelt_settings,
    pass_on_otel_settings,
)
from app.config.values import LONGEST_SPAN_SECONDS
from app.db.url import async_database_url
from app.guessable import is_published
from tests.settings import make_settings

GOOD = {
    "CLOUDPRESS_BASE_URL": "https://app.cloudpress.example/api/",
    "CLOUDPRESS_API_TOKEN": "token",
    "CLOUDPRESS_ACCOUNT_ID": "account",
    "SECRET_KEY": "kept by the tests and by no one else",
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
    for name in (*NAMES, *(f"{name}_FILE" for name in NAMES)):
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
    assert settings.account_concurrency == 8


@pytest.mark.parametrize("name", ["PUBLIC_URL", "CLOUDPRESS_BASE_URL"])
@pytest.mark.parametrize(
    "path", ["/%0d%0aSet-Cookie:%20a=b", "/a/../b", "/%2e%2e", "/a/%2E/b", "/%00", "//elsewhere", "/%ff"]
)
def test_a_path_that_leads_elsewhere_stops_the_start(
    environment: pytest.MonkeyPatch, name: str, path: str
) -> None:
    """Also where its letters are spelled out."""
    environment.setenv(name, f"https://host.example{path}")
    with pytest.raises(SettingsError, match=f"^{name}: must not hold control characters, dot segments"):
        load_settings()


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
        ("SECRET_KEY", f"{GOOD['SECRET_KEY']},s3cr3t", "each of them has to be long enough"),
        ("CALLBACK_WAIT_SECONDS", "0", "a positive number"),
        ("LEASE_SECONDS", "-1", "a positive number"),
        ("LEASE_SECONDS", "nan", "a number"),
        ("UPSTREAM_TIMEOUT_SECONDS", "inf", "a finite number"),
        ("UPSTREAM_TIMEOUT_SECONDS", "60", "a request may not outlive the lease"),
        ("PLACEMENT_GRACE_SECONDS", "soon", "a number"),
        ("PLACING", "maybe", "on or off"),
        ("ACCOUNT_CONCURRENCY", "0", "nothing would ever be asked"),
        ("DASHBOARD", "maybe", "on or off"),
        ("BRAND_NAME", "s3cr3t\u202e", "it would be read backwards"),
        ("BRAND_COLOR", "red;}", "it would be a style of its own"),
        ("BRAND_LOGO_URL", "http://shop.example/logo.svg", "not https"),
        ("BRAND_LOGO_URL", "https://shop.example/logo.svg;x", "it would end a policy"),
        ("BRAND_LOGO_URL", "https://shop.example,elsewhere.example/logo.svg", "it would be two policies"),
        ("BRAND_LOGO_URL", "https://shop.example other.example/logo.svg", "it would be two hosts"),
        ("BRAND_LOGO_URL", "https://shop.example\u00a0/logo.svg", "it would be a blank"),
        ("BRAND_LOGO_URL", "https://*/logo.svg", "it would be every host"),
        ("BRAND_LOGO_URL", "https://*.example/logo.svg", "it would be many hosts"),
        ("BRAND_LOGO_URL", "https://sh\u00f6p.example/logo.svg", "no header holds it"),
        ("CLOUDPRESS_ACCOUNT_ID", "a" * 256, "longer than an account's id is"),
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


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/logo.svg",
        "https://cdn.shop-1.example:8443/w_100,h_50/*/logo.svg",
        "https://[2001:db8::1]:8443/logo.svg",
    ],
)
def test_a_logo_s_host_is_plain_and_its_path_is_any(environment: pytest.MonkeyPatch, url: str) -> None:
    """The host alone stands in a policy."""
    environment.setenv("BRAND_LOGO_URL", url)
    environment.setenv("CLOUDPRESS_ACCOUNT_ID", "a" * 255)
    assert load_settings().brand_logo_url == url


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


@pytest.mark.parametrize(
    "around", [" {}", "{} ", "{}\n", "{}\r\n", "\t{}\t", '"{}"', "'{}'", ' "{}"\n', "' {} '"]
)
@pytest.mark.parametrize("name", [*GOOD, "DATABASE_URL", "PLACING", "API_KEY", "LEASE_SECONDS", "RATE_LIMIT"])
def test_what_is_left_around_a_value_is_no_part_of_it(
    environment: pytest.MonkeyPatch, name: str, around: str
) -> None:
    more = {"DATABASE_URL": "sqlite:////tmp/x.db", "PLACING": "off", "API_KEY": "a key of the tests alone"}
    value = {**GOOD, **more, "LEASE_SECONDS": "61", "RATE_LIMIT": "5/hour"}[name].replace(" ", "-")
    environment.setenv(name, value)
    plain = load_settings()
    environment.setenv(name, around.format(value))
    assert load_settings().model_dump_json() == plain.model_dump_json()
    assert getattr(load_settings(), name.lower()) == getattr(plain, name.lower())
    assert load_settings().database.database == plain.database.database


@pytest.mark.parametrize("value", [" ", "\n", '""', "''", '" "'])
def test_a_value_of_nothing_is_not_set(environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setenv("CLOUDPRESS_API_TOKEN", value)
    environment.setenv("LEASE_SECONDS", value)
    with pytest.raises(SettingsError, match=r"^CLOUDPRESS_API_TOKEN: is not set$"):
        load_settings()


@pytest.mark.parametrize("name", ["CLOUDPRESS_API_TOKEN", "CLOUDPRESS_ACCOUNT_ID", "SECRET_KEY", "API_KEY"])
def test_what_the_compose_file_says_is_not_set_counts_as_that(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    """In production, where the playground's value must not be taken."""
    compose = (Path(__file__).parents[2] / "docker-compose.yml").read_text()
    found = re.search(rf"{name}: \$\{{{name}:-\$\{{CLOUDPRESS_BASE_URL:\+(unset[ ,])\}}(.+)\}}", compose)
    assert found is not None
    environment.setenv(name, found[1] + found[2])
    if name == "API_KEY":
        assert load_settings().api_key is None
    else:
        with pytest.raises(SettingsError, match=f"^{name}: is not set$"):
            load_settings()


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_may_be_in_any_utf(environment: pytest.MonkeyPatch, tmp_path: Path, encoding: str) -> None:
    environment.delenv("CLOUDPRESS_API_TOKEN")
    (tmp_path / ".env").write_text('# für uns\r\nCLOUDPRESS_API_TOKEN="s3cr3t"\r\n', encoding=encoding)
    assert load_settings().cloudpress_api_token.get_secret_value() == "s3cr3t"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("A=1\nCLOUDPRESS_API_TOKEN=s3cr3t-ä\n".encode("latin-1"), r"line 2 is not UTF-8"),
        ("CLOUDPRESS_API_TOKEN=s3cr3t\n".encode("utf-16-le"), r"the file is no text"),
        (bytes(range(256)), r"line \d+ is not UTF-8"),
    ],
)
@pytest.mark.usefixtures("environment")
def test_a_file_that_cannot_be_understood_is_named_in_one_line(
    tmp_path: Path, content: bytes, told: str
) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(SettingsError, match=rf"^\.env: .*{told}.*$") as caught:
        load_settings()
    assert "s3cr3t" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("environment")
def test_a_file_that_cannot_be_opened_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match=r"^\.env: the file cannot be read: .+$"):
        load_settings()
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match=r"^\.env: the file cannot be read: .+$"):
        load_settings()


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


IN_FILES = {
    "CLOUDPRESS_API_TOKEN": "token-of-a-file",
    "SECRET_KEY": "a secret key that a file holds and nobody else",
    "API_KEY": "api-key-of-a-file-that-is-long-enough-to-be-one",
    "DATABASE_URL": "postgresql://user:s3cr3t@host/db",
}


def test_every_secret_may_be_in_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert IN_FILES.keys() == SECRETS, "a secret setting without a test"
    for name, value in IN_FILES.items():
        environment.delenv(name, raising=False)
        (tmp_path / name).write_text(f"{value}\n")
        environment.setenv(f"{name}_FILE", str(tmp_path / name))
    settings = load_settings()
    assert settings.secret_keys == (IN_FILES["SECRET_KEY"],)
    assert settings.cloudpress_api_token.get_secret_value() == IN_FILES["CLOUDPRESS_API_TOKEN"]
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == IN_FILES["API_KEY"]
    assert settings.database.password == load_database_settings().database.password == "s3cr3t"
    assert misspelt_settings() == {}


def test_an_env_file_may_name_a_secret_s_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("SECRET_KEY", "")  # as a compose file passes on what is not set
    (tmp_path / "key").write_bytes(b"a secret key with blanks at its end  \r\n")
    (tmp_path / ".env").write_text("secret_key_file='key'\n")
    assert load_settings().secret_key.get_secret_value() == "a secret key with blanks at its end  "


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", sorted(IN_FILES))
def test_a_secret_is_the_same_in_whatever_utf_its_file_is(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str, encoding: str
) -> None:
    """As an editor or PowerShell on Windows writes it: a mark in a key would be another key."""
    environment.delenv(name, raising=False)
    (tmp_path / "secret").write_text(f"{IN_FILES[name]}\r\n", encoding=encoding, newline="")
    environment.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    read = getattr(load_settings(), name.lower()).get_secret_value()
    assert read == IN_FILES[name]


@pytest.mark.parametrize("url", ["sqlite:///a.db\nmore", "postgresql://u:p@h/db\r\nmore"])
def test_an_address_of_several_lines_names_no_file(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("DATABASE_URL", url)
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: must be one line$"):
        load_settings()


@pytest.mark.parametrize("name", sorted(IN_FILES))
def test_a_secret_is_never_set_twice(environment: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text(IN_FILES[name])
    environment.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    (tmp_path / ".env").write_text(f"{name}={IN_FILES[name]}\n")
    with pytest.raises(SettingsError, match=f"^{name}: is set, and so is {name}_FILE: ") as raised:
        load_settings()
    assert IN_FILES[name] not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"\r\n", "is empty"),
        (b"s3cr3t \xff", "is not UTF-8"),
        (b"s3cr3t\n\n", "has more than one line: it holds the secret and nothing else"),
        (b"s3cr3t\r\nanother\r\n", "has more than one line: it holds the secret and nothing else"),
        ("s3cr3t".encode("utf-16-le"), "is no text, or UTF-16 without a mark"),
        (b"s3cr3t" * 20_000, "is larger than 65536 bytes: no secret is"),
    ],
)
def test_a_file_that_holds_no_secret_is_named_in_one_line(
    environment: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    environment.delenv("SECRET_KEY")
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    environment.setenv("SECRET_KEY_FILE", str(path))
    with pytest.raises(SettingsError, match=f"^SECRET_KEY_FILE: its file {reason}$"):
        load_settings()


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://Shop.Example.com", "https://shop.example.com"),
        ("HTTPS://shop.example.com", "https://shop.example.com"),
        ("https://shop.example.com:443", "https://shop.example.com"),
        ("http://shop.example.com:80", "http://shop.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[2001:DB8::0001]:3000", "http://[2001:db8::1]:3000"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
        ("http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("https://1.example", "https://1.example"),
        ("https://my_shop-1.example.", "https://my_shop-1.example."),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_taken_as_browsers_send_it(
    environment: pytest.MonkeyPatch, written: str, sent: str
) -> None:
    environment.setenv("CORS_ORIGINS", f"{written} , https://other.example")
    assert load_settings().origins == (sent, "https://other.example")


@pytest.mark.parametrize(
    "written",
    [
        "*",
        "shop.example.com",
        "ftp://shop.example.com",
        "https://",
        "https:shop.example.com",
        "https://shop.example.com/",
        "https://shop.example.com?x=1",
        "https://shop.example.com#x",
        "https://me@shop.example.com",
        "https://shop.example.com:port",
        "https://shop.example.com:99999",
        "https://shop .example.com",
        "https://a.example https://b.example",
        "https://a.example,",
        "https://*.example.com",
        "https://a;b.example",
        "https://ex%41mple.com",
        "https://a..example",
        "https://.example",
        "https://-a.example",
        "https://a-.example",
        f"https://{'a' * 64}.example",
        "http://127.1:3000",
        "http://0x7f.1",
        "http://017.0.0.1",
        "http://2130706433",
        "http://256.1.1.1",
        "http://127.0.0.1.",
        "https://shop.0x",
        "http://[fe80::1%25eth0]",
    ],
)
def test_what_no_browser_sends_as_its_origin_is_refused(
    environment: pytest.MonkeyPatch, written: str
) -> None:
    environment.setenv("CORS_ORIGINS", written)
    with pytest.raises(SettingsError, match=r"^CORS_ORIGINS: must be origins such as"):
        load_settings()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("https://*.example.com", "wildcards are not taken, so each is written out$"),
        ("http://127.1", "addresses are written as 192.0.2.1, in four decimal numbers$"),
    ],
)
def test_an_origin_that_is_refused_is_told_how_it_is_written(
    environment: pytest.MonkeyPatch, written: str, told: str
) -> None:
    environment.setenv("CORS_ORIGINS", f"https://shop.example.com,{written}")
    with pytest.raises(SettingsError, match=rf"^CORS_ORIGINS: must be origins .*: {told}"):
        load_settings()
