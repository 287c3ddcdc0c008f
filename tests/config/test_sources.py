"""Settings from the environment, from the `.env` file and from files of secrets."""

import re
from pathlib import Path

import pytest

from app.config.loading import (
    SettingsError,
    load_database_settings,
    load_settings,
    misspelt_settings,
)
from app.config.settings import SECRETS
from tests.config.conftest import GOOD


def test_a_file_is_read_as_well(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLACING=OFF\nUNRELATED=1\n")
    environment.setenv("API_KEY", "")
    assert load_settings().placing == "off"
    assert load_settings().api_key is None


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
    "line",
    [
        'PLACING="off',
        "PLACING='off",
        "PLACING: off",
        "PLACING off",
        'PLACING="off" (a pause)',
        "set PLACING=off",
    ],
)
def test_a_line_of_the_file_that_cannot_be_read_stops_the_start(
    environment: pytest.MonkeyPatch, tmp_path: Path, line: str
) -> None:
    """Else it counts as if nobody had written it: with this one, orders are bought that were to wait."""
    environment.delenv("PLACING", raising=False)
    (tmp_path / ".env").write_text(f"LEASE_SECONDS=61\n{line}\n")
    with pytest.raises(SettingsError, match=r"^[^\n]*(line 2|PLACING)[^\n]*$"):
        load_settings()


@pytest.mark.parametrize("line", ['RETENTION_DAYS="30', "DATABASE_URL: sqlite:////srv/presshook.db"])
@pytest.mark.usefixtures("environment")
def test_a_command_that_needs_the_database_alone_stops_at_such_a_line_too(tmp_path: Path, line: str) -> None:
    """`presshook keys` and `backup` would go to another database than the one that was meant."""
    (tmp_path / ".env").write_text(f"{line}\n")
    with pytest.raises(SettingsError, match=r"^[^\n]*(line 1|RETENTION_DAYS|DATABASE_URL)[^\n]*$"):
        load_database_settings()


@pytest.mark.parametrize("secret", ["k8${HOME}mPz7-4cQv1", "k8${NOBODY_SET}mPz7-4cQv1"])
def test_a_secret_in_single_quotes_is_taken_letter_by_letter(
    environment: pytest.MonkeyPatch, tmp_path: Path, secret: str
) -> None:
    """As a shell and Docker Compose read the same file, and as it is in a secret's own file: opaque."""
    environment.delenv("CLOUDPRESS_API_TOKEN")
    (tmp_path / "token").write_text(secret)
    (tmp_path / ".env").write_text("CLOUDPRESS_API_TOKEN_FILE=token\n")
    assert load_settings().cloudpress_api_token.get_secret_value() == secret
    (tmp_path / ".env").write_text(f"CLOUDPRESS_API_TOKEN='{secret}'\n")
    assert load_settings().cloudpress_api_token.get_secret_value() == secret
