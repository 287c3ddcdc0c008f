"""What a key for some accounts is told of others, and what says which order, or which event, is meant."""

import pytest

from tests.harness import Sandbox, run_presshook


async def test_a_key_for_some_accounts_is_told_nothing_of_others_by_metrics(
    database_url: str, sandbox: Sandbox
) -> None:
    """A key does what its scopes allow, for its accounts alone (SECURITY.md); so it is at `/v1/checks`."""
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        await presshook.order("Another account's", wait=0)
        made = await presshook.client.post(
            "/v1/keys", json={"name": "tenant", "scopes": ["metrics:read"], "account_ids": ["mine"]}
        )
        headers = {"Authorization": f"Bearer {made.json()['key']}"}
        assert (await presshook.client.get("/v1/checks", headers=headers)).status_code == 403
        answer = await presshook.client.get("/metrics", headers=headers)
        assert 'presshook_orders{status="pending"} 1.0' not in answer.text


async def test_two_idempotency_keys_are_refused(database_url: str, sandbox: Sandbox) -> None:
    """The same key is the same order: which of two is meant nobody can say."""
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        body = {"site": {"name": "Site", "variant": "vanilla"}}
        for keys in (("mine", "of the retrying client, 1"), ("of the retrying client, 2", "mine")):
            headers = [("Idempotency-Key", key) for key in keys]
            answer = await presshook.client.post("/v1/orders", json=body, headers=headers)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
        assert await presshook.count_orders() == 0


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_two_numbers_of_last_events_are_refused(
    database_url: str, sandbox: Sandbox, accept: str
) -> None:
    """A stream that went on after the wrong one would leave events out, or tell them twice."""
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        order_id = (await presshook.order("Site", wait=0)).json()["id"]
        headers = [("Last-Event-ID", "1"), ("Last-Event-ID", "2"), ("Accept", accept)]
        for path in ("/v1/events", f"/v1/orders/{order_id}/events"):
            answer = await presshook.client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Last-Event-ID")


async def test_what_is_a_list_may_come_in_several_lines(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url, reconcile=False) as presshook:
        body = {"site": {"name": "Site", "variant": "vanilla"}}
        preferred = [("Prefer", "respond-async"), ("Prefer", "wait=0")]
        order = await presshook.client.post("/v1/orders", json=body, headers=preferred)
        assert order.status_code == 202
        address = f"/v1/orders/{order.json()['id']}"
        etag = (await presshook.client.get(address)).headers["etag"]
        known = [("If-None-Match", '"another"'), ("If-None-Match", etag)]
        assert (await presshook.client.get(address, headers=known)).status_code == 304
        accepted = [("Accept", "text/html"), ("Accept", "application/json")]
        assert (await presshook.client.get("/v1/events", headers=accepted)).status_code == 200
