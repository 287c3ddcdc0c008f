"""The API in this process, as its own tests have it."""

from tests.api.conftest import anonymous, client, service

__all__ = ["anonymous", "client", "service"]
