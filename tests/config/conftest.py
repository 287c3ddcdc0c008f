"""An environment in which the settings can be loaded."""

from pathlib import Path

import pytest

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
