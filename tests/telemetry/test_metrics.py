"""What Prometheus is told: by whom it may be read, that it is true, that no label is a stranger's word."""

from uuid import UUID

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from app.events.reading import Interest
from app.main import Service
from tests.api.conftest import client_of
from tests.harness import Sandbox, eventually, run_presshook
from tests.settings import API_KEY


async def scrape(client: httpx.AsyncClient) -> dict[str, Metric]:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value_of(families: dict[str, Metric], sample: str, **labels: str) -> float:
    for family in families.values():
        for found in family.samples:
            if found.name == sample and labels.items() <= found.labels.items():
                return found.value
    return 0.0


async def test_an_orders_life_is_counted_and_no_label_is_a_strangers_word(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("Rosa's Bakery")).json()["id"]
        await presshook.until(order_id, "completed")
        forged = await presshook.client.post(f"/v1/callbacks/{order_id}", headers={"Authorization": "no"})
        assert forged.status_code == 401
        value = presshook.service.dependencies.callback_signer.authorization(UUID(order_id))
        for _ in range(3):
            again = await presshook.client.post(
                f"/v1/callbacks/{order_id}", headers={"Authorization": value}, content=b"again"
            )
            assert again.status_code == 204
        await presshook.client.get("/no/such/address")

        async def told() -> dict[str, Metric]:
            return await scrape(presshook.client)

        def counts(families: dict[str, Metric]) -> bool:
            return value_of(families, "presshook_passes_total", outcome="completed") >= 1

        families = await eventually(told, counts)
    assert value_of(families, "presshook_placements_total", outcome="ok") == 1
    for name in ("presshook_order_duration_seconds", "presshook_callback_to_final_seconds"):
        assert value_of(families, f"{name}_count", outcome="completed") == 1
    assert value_of(families, "presshook_order_duration_seconds_sum", outcome="completed") > 0
    assert value_of(families, "presshook_callbacks_total", outcome="accepted") >= 1
    assert value_of(families, "presshook_callbacks_total", outcome="repeated") == 2
    assert value_of(families, "presshook_callbacks_total", reason="wrong authorization") == 1
    asked = "presshook_cloudpress_request_duration_seconds_count"
    assert value_of(families, asked, operation="place", outcome="ok") == 1
    assert value_of(families, asked, operation="site", outcome="ok") >= 1
    placed = {"method": "POST", "route": "/v1/orders", "status": "201"}
    assert value_of(families, "presshook_http_wait_duration_seconds_count", **placed) == 1
    lost = {"route": "none", "status": "404"}
    assert value_of(families, "presshook_http_request_duration_seconds_count", **lost) == 1
    labels = {value for family in families.values() for it in family.samples for value in it.labels.values()}
    assert not [value for value in labels if order_id in value or "Bakery" in value or "acct" in value]


async def test_what_the_replicas_share_is_counted_and_absent_while_the_database_is_away(
    service: Service, client: httpx.AsyncClient
) -> None:
    placed = await client.post("/v1/orders", json={"site": {"name": "One", "variant": "vanilla"}})
    assert placed.status_code == 202
    families = await scrape(client)
    assert value_of(families, "presshook_orders", status="pending") == 1
    assert value_of(families, "presshook_due_oldest_seconds", queue="orders") > 0
    assert value_of(families, "presshook_snapshot_up") == 1
    assert {"presshook_attention", "presshook_deliveries_pending", "presshook_webhooks_disabled"} <= set(
        families
    )
    async with service.db.write() as tx:
        connection = await tx.session.connection()
        await connection.exec_driver_sql("DROP TABLE delivery_attempts")
        await connection.exec_driver_sql("DROP TABLE deliveries")
    async with client_of(service, Authorization=f"Bearer {API_KEY}") as other:
        families = await scrape(other)
    assert value_of(families, "presshook_snapshot_up") == 0
    assert "presshook_orders" not in families


async def test_what_a_process_holds_open_is_told(service: Service, client: httpx.AsyncClient) -> None:
    async with service.feed.subscribe(Interest()), service.db.read() as session:
        await session.execute(select(1))
        service.feed.dropped += 2
        families = await scrape(client)
    assert value_of(families, "presshook_streams") == 1
    assert value_of(families, "presshook_streams_dropped_total") == 2
    assert value_of(families, "presshook_db_pool_in_use") >= 1
    assert ("presshook_listen_up" in families) != service.db.is_sqlite


async def test_what_alerts_count_begins_at_zero(client: httpx.AsyncClient) -> None:
    families = await scrape(client)
    told = {sample.name: sample.value for family in families.values() for sample in family.samples}
    assert told["presshook_callbacks_total"] == 0
    assert told["presshook_order_duration_seconds_count"] == 0


async def test_they_are_read_with_their_scope_alone(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    assert (await anonymous.get("/metrics")).status_code == 401
    keys = {}
    for scope in ("metrics:read", "orders:read"):
        made = await client.post("/v1/keys", json={"name": scope, "scopes": [scope]})
        keys[scope] = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await anonymous.get("/metrics", headers=keys["metrics:read"])).status_code == 200
    assert (await anonymous.get("/metrics", headers=keys["orders:read"])).status_code == 403
    assert (await anonymous.get("/v1/orders", headers=keys["metrics:read"])).status_code == 403
