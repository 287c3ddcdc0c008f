"""Erasure as a client asks for it: once for good, for whoever has the scope, of what is final."""

from tests.harness import Sandbox, run_presshook

WORDS = ("Rosalind", "secret-page", "rosalind@example.com")


async def test_a_client_erases_a_final_order(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        ordered = await presshook.client.post(
            "/v1/orders",
            json={
                "site": {
                    "name": "Rosalind",
                    "variant": "vanilla",
                    "return_url": "https://a.test/secret-page",
                },
                "metadata": {"mail": "rosalind@example.com"},
            },
        )
        address = f"/v1/orders/{ordered.json()['id']}"
        before = await presshook.until(ordered.json()["id"], "completed")
        assert before["erased_at"] is None
        answer = await presshook.client.delete(f"{address}/data")
        assert answer.status_code == 200, answer.text
        erased = answer.json()
        assert erased["erased_at"] == erased["updated_at"] > before["updated_at"]
        assert (erased["site"], erased["metadata"], erased["request"]["name"]) == (None, {}, "")
        for kept in ("id", "status", "account_id", "cloudpress_order_id", "created_at", "finalized_at"):
            assert erased[kept] == before[kept]
        assert (await presshook.client.delete(f"{address}/data")).json() == erased
        for path in (address, f"{address}/events?limit=100", "/v1/orders", "/v1/events?limit=100"):
            shown = await presshook.client.get(path)
            assert shown.status_code == 200
            assert [word for word in WORDS if word in shown.text] == [], path
        assert '"by":"API_KEY"' in (await presshook.client.get(f"{address}/events?limit=100")).text
        assert (await presshook.client.get(f"{address}/credentials")).status_code == 404


async def test_what_is_open_is_a_conflict_that_says_what_to_do(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order = (await presshook.order("Open [payment-first]")).json()
        answer = await presshook.client.delete(f"/v1/orders/{order['id']}/data")
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:presshook:problem:order-unfinished")
        assert answer.json()["detail"].startswith("The order is awaiting_payment: only what is final")
        assert (await presshook.show(order["id"]))["request"]["name"] == "Open [payment-first]"
