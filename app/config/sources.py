"""Where settings come from: the environment, the `.env` file, and the files of secrets."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)

from app.env_file import EnvFileError, bare, read_env_file, read_secret

ENV_FILE = Path(".env")
UNSET = ("unset ", "unset,")
"""What docker-compose.yml begins a value with that has to be given and is not."""
FILE = "_FILE"
"""What a secret's name ends with where it is the name of the file that holds it."""


class Environment(EnvSettingsSource):
    """The environment, each value without what a shell, Docker or an editor has left around it."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return bare_values(super()._load_env_vars())


class EnvFile(DotEnvSettingsSource):
    """The same of the `.env` file in the working folder, in whatever UTF it is written."""

    def __init__(self, settings_cls: type[BaseSettings], file: Mapping[str, str | None]) -> None:
        """Take what the file sets, which `env_file` returns."""
        self._file = file
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return bare_values({name.lower(): value for name, value in self._file.items()})


class SecretFiles(PydanticBaseSettingsSource):
    """Secrets whose files the environment or the `.env` file names, as `SECRET_KEY_FILE` does."""

    def __init__(self, settings_cls: type[BaseSettings], file: Mapping[str, str | None]) -> None:
        """Take what the `.env` file sets, which `env_file` returns."""
        self._file = file
        super().__init__(settings_cls)

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
            for source in (self._file, os.environ)
            for name, value in bare_values(source).items()
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


def bare_values(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return what is set, each value without what is around it."""
    found = {name: bare(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in found.items() if value and not value.startswith(UNSET)}


def env_file(known: Collection[str]) -> dict[str, str | None]:
    """Return what the `.env` file sets, nothing where there is none. `known` are all settings' names."""
    return read_env_file(ENV_FILE, known) if os.path.lexists(ENV_FILE) else {}
