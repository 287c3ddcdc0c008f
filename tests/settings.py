"""Settings that no environment and no file has a say in, for tests."""

from typing import Any

from app.config.settings import GivenSettings, Settings

SECRET_KEY = "the-secret-key-of-the-tests-is-long-enough"
API_KEY = "client-key-of-the-tests"
CLOUDPRESS_TOKEN = "cloudpress-token-of-the-tests"
CLOUDPRESS_ACCOUNT = "acct-tests"


def make_settings(database_url: str, **changes: object) -> Settings:
    """Return settings that no environment and no file has a say in."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "cloudpress_base_url": "http://127.0.0.1:9",
        "cloudpress_api_token": CLOUDPRESS_TOKEN,
        "cloudpress_account_id": CLOUDPRESS_ACCOUNT,
        "api_key": API_KEY,
        "secret_key": SECRET_KEY,
        **changes,
    }
    return GivenSettings(**values)
