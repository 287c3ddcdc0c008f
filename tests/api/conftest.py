"""The API in this process, without a reconciler: what it does by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from app.main import Service, create_app
from tests.harness import WITHOUT_TLS
from tests.settings import API_KEY, make_settings


@asynccontextmanager
async def client_of(service: Service, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that runs, or whose database is away."""
    transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://presshook.test", headers=headers, verify=WITHOUT_TLS
    ) as client:
        yield client


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    """A service whose reconciler does not run."""
    service = Service(make_settings(database_url))
    async with service.run(reconcile=False, on_death=lambda: None):
        yield service


@pytest.fixture
async def anonymous(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with client_of(service) as client:
        yield client


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the key."""
    async with client_of(service, Authorization=f"Bearer {API_KEY}", Prefer="wait=0") as client:
        yield client


@pytest.fixture
async def without_database() -> AsyncIterator[Service]:
    """A service whose database is away: nobody listens there."""
    service = Service(make_settings("postgresql://postgres:a-password@127.0.0.1:9/postgres"))
    async with service.run(reconcile=False, on_death=lambda: None):
        yield service
