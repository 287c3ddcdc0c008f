"""The whole job as one would write it in an afternoon: in the two requests, with no thought of crashes."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI, HTTPException, Request, Response
from sqlalchemy import JSON, event, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DATABASE = (
    os.environ["DATABASE_URL"]
    .replace("sqlite:", "sqlite+aiosqlite:")
    .replace("postgresql:", "postgresql+psycopg:")
)
engine = create_async_engine(DATABASE, pool_size=16, max_overflow=0, pool_timeout=120)
session = async_sessionmaker(engine, expire_on_commit=False)
TOKEN = {"Authorization": f"Token {os.environ['CLOUDPRESS_API_TOKEN']}", "X-Auth-Account": "bench-account"}
cloudpress = httpx.AsyncClient(base_url=os.environ["CLOUDPRESS_BASE_URL"], headers=TOKEN, timeout=60)


class Base(DeclarativeBase):
    """The tables' base."""


class Order(Base):
    """An order."""

    __tablename__ = "afternoon_orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[str]
    secret: Mapped[str]
    cloudpress_id: Mapped[str | None]
    task_id: Mapped[int | None]
    site: Mapped[dict[str, Any] | None] = mapped_column(JSON)


if DATABASE.startswith("sqlite"):

    @event.listens_for(engine.sync_engine, "connect")
    def _as_the_service(connection: Any, _entry: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=60000"):
            connection.execute(f"PRAGMA {pragma}")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Make the table."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Answer."""
    return {"status": "ready"}


@app.post("/v1/orders", status_code=201)
async def place(body: dict[str, Any]) -> dict[str, str]:
    """Order a site."""
    order = Order(
        id=str(uuid4()), name=body["site"]["name"], status="placing", secret=secrets.token_urlsafe()
    )
    async with session() as storing, storing.begin():
        storing.add(order)
    callback = {
        "url": f"{os.environ['PUBLIC_URL']}/v1/callbacks/{order.id}",
        "authorization": f"Bearer {order.secret}",
    }
    answer = await cloudpress.post("/api/orders", json={"site": body["site"], "callback": callback})
    placed = answer.json()
    async with session() as storing, storing.begin():
        order = await storing.get_one(Order, order.id)
        order.status = "provisioning"
        order.cloudpress_id, order.task_id = placed["order"]["id"], placed["task"]["id"]
    return {"id": order.id, "status": order.status}


@app.post("/v1/callbacks/{order_id}", status_code=204)
async def callback(order_id: str, request: Request) -> Response:
    """Take a callback in, and fetch what it is about."""
    async with session() as reading:
        order = await reading.get(Order, order_id)
    if order is None or request.headers.get("authorization") != f"Bearer {order.secret}":
        raise HTTPException(401)
    await request.body()
    task = (await cloudpress.get(f"/api/tasks/{order.task_id}")).json()["task"]
    if task["status"] == "OK":
        site = (await cloudpress.get(f"/api/sites/{task['sites'][0]['id']}")).json()["site"]
        async with session() as storing, storing.begin():
            order = await storing.get_one(Order, order_id)
            order.status, order.site = "completed", site
    return Response(status_code=204)


@app.get("/v1/orders")
async def list_orders(status: str) -> dict[str, list[dict[str, str]]]:
    """List one order of a status."""
    async with session() as reading:
        found = await reading.scalars(select(Order).where(Order.status == status).limit(1))
    return {"data": [{"id": order.id} for order in found]}
