"""A database that goes away and comes back: told as it is meanwhile, and nothing has to be restarted."""

import asyncio
from uuid import UUID

from tests.databases import PostgresServer
from tests.harness import Presshook, eventually, run_presshook, run_sandbox


async def key_of(presshook: Presshook, scope: str) -> dict[str, str]:
    """Make a key, and return what is sent with it."""
    made = await presshook.client.post("/v1/keys", json={"name": scope, "scopes": [scope]})
    return {"Authorization": f"Bearer {made.json()['key']}"}


async def test_a_server_that_takes_no_writes_is_away(server: PostgresServer) -> None:
    # What a failover leaves behind: connections to a server that has become a standby.
    with server.migrated_url() as url:
        async with (
            run_sandbox(task_seconds=3600, callback_speed=120) as sandbox,
            run_presshook(url, sandbox.url) as presshook,
        ):
            order = (await presshook.order("Outlives a failover")).json()
            reader = await key_of(presshook, "orders:read")
            secret = presshook.service.callback_secrets.authorization(UUID(order["id"]))
            path = f"/v1/callbacks/{order['id']}"
            server.set_read_only(url, is_read_only=True)
            await presshook.service.db.dispose()
            answer = await presshook.client.post(path, headers={"Authorization": secret})
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:presshook:problem:database-away")
            assert (await presshook.order("Refused", wait=0)).status_code == 503
            # What can be read is, although the key's use cannot be noted.
            listed = await presshook.client.get("/v1/orders", headers=reader)
            assert [each["id"] for each in listed.json()["data"]] == [order["id"]]
            # Connections stay what they were when they were made: each that writes nothing has to be left.
            server.set_read_only(url, is_read_only=False)
            assert (await presshook.client.post(path, headers={"Authorization": secret})).status_code == 204


async def test_the_database_comes_back_and_everything_goes_on(server: PostgresServer) -> None:
    with server.migrated_url() as url:
        async with (
            run_sandbox(task_seconds=3600, callback_speed=120) as sandbox,
            run_presshook(url, sandbox.url) as presshook,
        ):
            order = (await presshook.order("Outlives its database")).json()
            assert order["status"] == "provisioning"
            [made] = await sandbox.orders()
            secret = presshook.service.callback_secrets.authorization(UUID(order["id"]))
            reader, unused = [await key_of(presshook, "metrics:read") for _ in range(2)]

            async def metrics(key: dict[str, str]) -> tuple[int, bool]:
                answer = await presshook.client.get("/metrics", headers=key)
                return answer.status_code, "presshook_snapshot_up 0.0" in answer.text

            assert await metrics(reader) == (200, False)

            async def call_back() -> int:
                path = f"/v1/callbacks/{order['id']}"
                return (await presshook.client.post(path, headers={"Authorization": secret})).status_code

            async def readiness() -> int:
                return (await presshook.client.get("/readyz")).status_code

            await asyncio.to_thread(server.stop_hard)
            assert (await sandbox.post(f"/orders/{made['id']}/finish")).status_code < 300
            assert await call_back() == 503, "so that CloudPress sends it again"
            assert await readiness() == 503
            assert (await presshook.client.get("/livez")).status_code == 200
            assert (await presshook.client.get(f"/v1/orders/{order['id']}")).status_code == 503
            # Who reads metrics is told of it, instead of taking the service for gone.
            await eventually(lambda: metrics(reader), lambda seen: seen == (200, True))
            assert await metrics(unused) == (503, False), "nobody knows yet whose that is"

            await asyncio.to_thread(server.start_again)
            await eventually(readiness, lambda status: status == 200)
            # No poll is due for hours: it is CloudPress's callback, sent again, that tells.
            done = await presshook.until(order["id"], "completed")
            assert done["site"]["name"] == "Outlives its database"
