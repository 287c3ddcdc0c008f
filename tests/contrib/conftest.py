"""A service on PostgreSQL, which has all there is to measure."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.main import Service
from tests.api.conftest import client_of
from tests.settings import API_KEY, make_settings


@pytest.fixture
async def postgres_service(postgres_url: str) -> AsyncIterator[Service]:
    """A service whose reconciler does not run."""
    service = Service(make_settings(postgres_url))
    async with service.run(reconcile=False, on_death=lambda: None):
        yield service


@pytest.fixture
async def postgres_client(postgres_service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the key."""
    async with client_of(postgres_service, Authorization=f"Bearer {API_KEY}") as client:
        yield client
