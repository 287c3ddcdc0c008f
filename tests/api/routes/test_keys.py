"""API keys: what they may do, whom they show, how they end, and that they are shown once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import select, update

from app.api.auth import BOOTSTRAP
from app.db import paging
from app.db.models import ApiKey
from app.events.timeline import Actor
from app.keys import changing
from app.keys.changing import MadeKey, make_key
from app.keys.grants import NewKey, Scope
from app.keys.names import COMMAND_LINE, is_reserved
from app.main import Service
from app.orders.intake import NewOrder, create_order
from app.telemetry import tally
from tests.harness import eventually, second_after
from tests.settings import CLOUDPRESS_ACCOUNT

ORDER = {"site": {"name": "Site", "variant": "vanilla"}}
READ_AND_WRITE = (Scope.ORDERS_READ, Scope.ORDERS_WRITE)
NOTHING = "01890000-0000-7000-8000-000000000000"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Prefer": "wait=0"}


async def make(
    service: Service, *scopes: Scope, accounts: tuple[str, ...] | None = None, **more: Any
) -> MadeKey:
    return await make_key(
        service.db, NewKey("shop", scopes or READ_AND_WRITE, accounts, **more), by=Actor("the test")
    )


SCOPED = [
    ("GET", "/v1/orders", Scope.ORDERS_READ),
    ("GET", f"/v1/orders/{NOTHING}", Scope.ORDERS_READ),
    ("GET", f"/v1/orders/{NOTHING}/events", Scope.ORDERS_READ),
    ("GET", "/v1/events", Scope.ORDERS_READ),
    ("GET", "/v1/catalog", Scope.ORDERS_READ),
    ("GET", "/v1/accounts", Scope.ORDERS_READ),
    ("GET", "/v1/accounts/a", Scope.ORDERS_READ),
    ("POST", "/v1/orders", Scope.ORDERS_WRITE),
    ("DELETE", f"/v1/orders/{NOTHING}", Scope.ORDERS_WRITE),
    ("POST", f"/v1/orders/{NOTHING}/refresh", Scope.ORDERS_WRITE),
    ("POST", f"/v1/orders/{NOTHING}/resolve", Scope.ORDERS_WRITE),
    ("DELETE", f"/v1/orders/{NOTHING}/data", Scope.ORDERS_ERASE),
    ("GET", f"/v1/orders/{NOTHING}/suspects", Scope.ORDERS_READ),
    ("GET", "/v1/checks", Scope.METRICS_READ),
    ("POST", "/v1/checks/run", Scope.METRICS_READ),
    ("GET", "/v1/orphans", Scope.ORDERS_READ),
    ("POST", "/v1/orphans/adopt", Scope.ORDERS_WRITE),
    ("POST", "/v1/orphans/dismiss", Scope.ORDERS_WRITE),
    ("GET", f"/v1/orders/{NOTHING}/credentials", Scope.CREDENTIALS_READ),
    ("PUT", "/v1/accounts/a", Scope.ACCOUNTS_WRITE),
    ("DELETE", "/v1/accounts/a", Scope.ACCOUNTS_WRITE),
    ("GET", "/v1/keys", Scope.KEYS_WRITE),
    ("POST", "/v1/keys", Scope.KEYS_WRITE),
    ("GET", f"/v1/keys/{NOTHING}", Scope.KEYS_WRITE),
    ("POST", f"/v1/keys/{NOTHING}/rotate", Scope.KEYS_WRITE),
    ("DELETE", f"/v1/keys/{NOTHING}", Scope.KEYS_WRITE),
    ("GET", "/v1/webhooks", Scope.WEBHOOKS_WRITE),
    ("POST", "/v1/webhooks", Scope.WEBHOOKS_WRITE),
    ("GET", f"/v1/webhooks/{NOTHING}", Scope.WEBHOOKS_WRITE),
    ("PATCH", f"/v1/webhooks/{NOTHING}", Scope.WEBHOOKS_WRITE),
    ("DELETE", f"/v1/webhooks/{NOTHING}", Scope.WEBHOOKS_WRITE),
    ("POST", f"/v1/webhooks/{NOTHING}/rotate", Scope.WEBHOOKS_WRITE),
    ("POST", f"/v1/webhooks/{NOTHING}/test", Scope.WEBHOOKS_WRITE),
    ("GET", f"/v1/webhooks/{NOTHING}/deliveries", Scope.WEBHOOKS_WRITE),
    ("GET", f"/v1/webhooks/{NOTHING}/deliveries/{NOTHING}", Scope.WEBHOOKS_WRITE),
    ("GET", f"/v1/webhooks/{NOTHING}/deliveries/{NOTHING}/attempts", Scope.WEBHOOKS_WRITE),
    ("POST", f"/v1/webhooks/{NOTHING}/deliveries/{NOTHING}/redeliver", Scope.WEBHOOKS_WRITE),
    ("POST", f"/v1/webhooks/{NOTHING}/redeliver", Scope.WEBHOOKS_WRITE),
]


# Orders must not be told to who may not read them, nor the secret that their messages are signed with.
TELLS_OF_ORDERS = {
    ("POST", "/v1/webhooks"),
    ("PATCH", f"/v1/webhooks/{NOTHING}"),
    ("POST", f"/v1/webhooks/{NOTHING}/rotate"),
    ("POST", f"/v1/webhooks/{NOTHING}/deliveries/{NOTHING}/redeliver"),
    ("POST", f"/v1/webhooks/{NOTHING}/redeliver"),
}


@pytest.mark.parametrize(("method", "path", "scope"), SCOPED)
async def test_each_address_needs_its_scope_and_says_which(
    anonymous: httpx.AsyncClient, service: Service, method: str, path: str, scope: Scope
) -> None:
    others = [other for other in Scope if other is not scope]
    lacking = await make(service, *others)
    answer = await anonymous.request(method, path, headers=bearer(lacking.key), json={})
    assert answer.status_code == 403
    assert answer.json() == {
        "type": "urn:presshook:problem:missing-scope",
        "title": "Forbidden",
        "status": 403,
        "detail": f"This API key lacks the scope {scope}.",
        "scope": scope,
    }
    having = await make(service, scope)
    answer = await anonymous.request(method, path, headers=bearer(having.key), json={})
    if (method, path) in TELLS_OF_ORDERS:
        assert (answer.status_code, answer.json()["scope"]) == (403, Scope.ORDERS_READ)
        having = await make(service, scope, Scope.ORDERS_READ)
        answer = await anonymous.request(method, path, headers=bearer(having.key), json={})
    assert answer.status_code not in {401, 403}


async def test_every_address_is_in_the_table_above(service: Service, client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()["paths"]
    guarded = {
        (method.upper(), path)
        for path, operations in described.items()
        for method in operations
        if path.startswith("/v1/") and "callbacks" not in path
    }
    assert len(guarded) == len(SCOPED)


async def test_a_key_is_shown_once_and_stored_as_a_hash(client: httpx.AsyncClient, service: Service) -> None:
    body = {"name": "shop", "scopes": ["orders:read"]}
    made = await client.post("/v1/keys", json=body)
    assert made.status_code == 201
    key = made.json()["key"]
    assert key.startswith("phk_")
    assert made.json()["start"] == key[:10]
    assert made.headers["cache-control"] == "no-store"
    shown = await client.get(made.headers["location"])
    for answer in (shown, await client.get("/v1/keys")):
        assert answer.status_code == 200
        assert key not in answer.text
    async with service.db.read() as session:
        stored = (await session.scalars(select(ApiKey))).one()
    assert key not in repr(vars(stored))


async def test_a_key_works_until_it_is_revoked(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, service: Service
) -> None:
    made = await make(service)
    assert (await anonymous.get("/v1/orders", headers=bearer(made.key))).status_code == 200
    assert (await client.delete(f"/v1/keys/{made.stored.id}")).status_code == 204
    answer = await anonymous.get("/v1/orders", headers=bearer(made.key))
    assert answer.status_code == 401
    assert answer.json()["detail"] == (await anonymous.get("/v1/orders")).json()["detail"]
    assert (await client.get(f"/v1/keys/{made.stored.id}")).status_code == 404
    assert (await client.post(f"/v1/keys/{made.stored.id}/rotate")).status_code == 404


async def test_a_key_that_ends_gives_nobody_more_time(anonymous: httpx.AsyncClient, service: Service) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    bounded = await make(service, Scope.KEYS_WRITE, Scope.ORDERS_READ, expires_at=ends)
    lasting = await make(service, Scope.ORDERS_READ)
    headers = bearer(bounded.key)
    body = {"name": "k", "scopes": ["orders:read"]}
    for expires_at in (None, (ends + timedelta(seconds=1)).isoformat()):
        refused = await anonymous.post("/v1/keys", json={**body, "expires_at": expires_at}, headers=headers)
        assert refused.json() == {
            "type": "urn:presshook:problem:beyond-own-key",
            "title": "Forbidden",
            "status": 403,
            "detail": "An API key can give neither scopes nor accounts that it does not have, nor more time.",
        }
    within = await anonymous.post("/v1/keys", json={**body, "expires_at": ends.isoformat()}, headers=headers)
    assert within.status_code == 201
    assert (
        await anonymous.post(f"/v1/keys/{within.json()['id']}/rotate", headers=headers)
    ).status_code == 200
    for method, path in (
        ("POST", f"/v1/keys/{lasting.stored.id}/rotate"),
        ("DELETE", f"/v1/keys/{lasting.stored.id}"),
    ):
        assert (await anonymous.request(method, path, headers=headers)).status_code == 404


async def test_a_key_expires(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, service: Service
) -> None:
    made = await make(service, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert (await anonymous.get("/v1/orders", headers=bearer(made.key))).status_code == 200
    async with service.db.write() as tx:
        past = tx.now - timedelta(seconds=1)
        await tx.session.execute(update(ApiKey).values(expires_at=past))
    assert (await anonymous.get("/v1/orders", headers=bearer(made.key))).status_code == 401
    body = {"name": "late", "scopes": ["orders:read"], "expires_at": "2020-01-01T00:00:00Z"}
    answer = await client.post("/v1/keys", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "expires_at", "detail": "This moment has passed."}]


async def test_rotation_keeps_rights_and_identity_and_the_former_key_for_its_grace(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, service: Service
) -> None:
    made = await make(service)
    once = {**bearer(made.key), "Idempotency-Key": "order 1"}
    first = (await anonymous.post("/v1/orders", json=ORDER, headers=once)).json()
    rotated = (await client.post(f"/v1/keys/{made.stored.id}/rotate", json={"grace_seconds": 60})).json()
    assert rotated["key"] != made.key
    for key in (made.key, rotated["key"]):
        repeated = {**bearer(key), "Idempotency-Key": "order 1"}
        again = await anonymous.post("/v1/orders", json=ORDER, headers=repeated)
        assert again.json()["id"] == first["id"], "its idempotency keys are still its own"
    newest = (await client.post(f"/v1/keys/{made.stored.id}/rotate")).json()
    for key, status in ((made.key, 401), (rotated["key"], 401), (newest["key"], 200)):
        assert (await anonymous.get("/v1/orders", headers=bearer(key))).status_code == status


async def test_a_rotation_that_is_sent_again_cuts_off_nobody_s_grace(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, service: Service
) -> None:
    """The answer to the first one got lost, so that nobody has the key between."""
    made = await make(service)
    path = f"/v1/keys/{made.stored.id}"
    first = (await client.post(f"{path}/rotate", json={"grace_seconds": 86_400})).json()
    assert (await client.get(path)).json()["former_until"] == first["former_until"]
    again = await client.post(f"{path}/rotate", json={"grace_seconds": 60})
    assert (again.status_code, again.json()["type"]) == (409, "urn:presshook:problem:rotation-under-way")
    assert second_after(first["former_until"]) in again.json()["detail"]
    for key in (made.key, first["key"]):
        assert (await anonymous.get("/v1/orders", headers=bearer(key))).status_code == 200
    async with service.db.write() as tx:
        await tx.session.execute(update(ApiKey).values(former_until=tx.now - timedelta(seconds=1)))
    assert (await client.post(f"{path}/rotate", json={"grace_seconds": 60})).status_code == 200
    newest = await client.post(f"{path}/rotate", json={"grace_seconds": 0})
    assert (newest.status_code, newest.json()["former_until"]) == (200, None)


async def test_the_last_use_is_noted_to_the_minute(
    anonymous: httpx.AsyncClient, client: httpx.AsyncClient, service: Service
) -> None:
    made = await make(service)
    path = f"/v1/keys/{made.stored.id}"
    assert (await client.get(path)).json()["last_used_at"] is None
    await anonymous.get("/v1/orders", headers=bearer(made.key))
    noted = (await client.get(path)).json()["last_used_at"]
    assert noted is not None
    await anonymous.get("/v1/orders", headers=bearer(made.key))
    assert (await client.get(path)).json()["last_used_at"] == noted


async def test_idempotency_keys_of_two_clients_are_their_own(
    anonymous: httpx.AsyncClient, client: httpx.AsyncClient, service: Service
) -> None:
    made = await make(service)
    theirs = await anonymous.post(
        "/v1/orders", json=ORDER, headers={**bearer(made.key), "Idempotency-Key": "1"}
    )
    ours = await client.post("/v1/orders", json=ORDER, headers={"Idempotency-Key": "1"})
    assert theirs.json()["id"] != ours.json()["id"]


async def test_other_accounts_do_not_exist_for_a_restricted_key(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, service: Service
) -> None:
    foreign = (await client.post("/v1/orders", json=ORDER)).json()["id"]
    own = await create_order(service.db, NewOrder("mine", "Mine", "vanilla", None, None, None, {}), None)
    everything = await make(service, *Scope, accounts=("mine",))
    headers = bearer(everything.key)
    for method, path in (
        ("GET", f"/v1/orders/{foreign}"),
        ("GET", f"/v1/orders/{foreign}/events"),
        ("GET", f"/v1/orders/{foreign}/credentials"),
        ("DELETE", f"/v1/orders/{foreign}"),
        ("POST", f"/v1/orders/{foreign}/refresh"),
        ("POST", f"/v1/orders/{foreign}/resolve"),
        ("GET", f"/v1/accounts/{CLOUDPRESS_ACCOUNT}"),
        ("PUT", f"/v1/accounts/{CLOUDPRESS_ACCOUNT}"),
        ("DELETE", f"/v1/accounts/{CLOUDPRESS_ACCOUNT}"),
    ):
        body = {"action": "fail"} if path.endswith("resolve") else {}
        answer = await anonymous.request(method, path, headers=headers, json=body)
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
    listed = (await anonymous.get("/v1/orders", headers=headers)).json()["data"]
    assert [order["id"] for order in listed] == [str(own.id)]
    asked = await anonymous.get("/v1/orders", params={"account_id": CLOUDPRESS_ACCOUNT}, headers=headers)
    assert asked.json()["data"] == []
    assert (await anonymous.get("/v1/accounts", headers=headers)).json()["data"] == []
    ordered = await anonymous.post(
        "/v1/orders", json={**ORDER, "account_id": CLOUDPRESS_ACCOUNT}, headers=headers
    )
    assert ordered.status_code == 422
    assert ordered.json()["errors"][0]["field"] == "account_id"


async def test_no_key_gives_or_touches_more_than_it_has(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, service: Service
) -> None:
    lesser = await make(service, Scope.KEYS_WRITE, Scope.ORDERS_READ, accounts=("mine",))
    headers = bearer(lesser.key)
    for body in (
        {"name": "more", "scopes": ["orders:write"], "account_ids": ["mine"]},
        {"name": "more", "scopes": ["orders:read"], "account_ids": ["mine", "other"]},
        {"name": "more", "scopes": ["orders:read"]},
    ):
        answer = await anonymous.post("/v1/keys", json=body, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:presshook:problem:beyond-own-key"
    equal = {"name": "equal", "scopes": ["orders:read"], "account_ids": ["mine"]}
    assert (await anonymous.post("/v1/keys", json=equal, headers=headers)).status_code == 201
    greater = await make(service, Scope.KEYS_WRITE, Scope.ORDERS_READ)
    for method, path in (
        ("GET", f"/v1/keys/{greater.stored.id}"),
        ("POST", f"/v1/keys/{greater.stored.id}/rotate"),
        ("DELETE", f"/v1/keys/{greater.stored.id}"),
    ):
        assert (await anonymous.request(method, path, headers=headers)).status_code == 404
    listed = (await anonymous.get("/v1/keys", headers=headers)).json()["data"]
    assert str(greater.stored.id) not in {key["id"] for key in listed}


@pytest.mark.parametrize(
    "name",
    [
        "API_KEY",
        " api_key",
        "presshook keys",
        "presshook  keys",
        "presshook\u00a0keys",
        "API\u200b_KEY",
        "\u202eAPI_KEY",
        "\uff21\uff30\uff29_KEY",
        "API\u034f_KEY",
    ],
)
async def test_no_key_passes_for_somebody_else_in_timelines(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/v1/keys", json={"name": name, "scopes": ["orders:read"]})
    assert answer.status_code == 422
    detail = "is reserved: timelines would not tell this key from another"
    assert answer.json()["errors"] == [{"field": "name", "detail": detail}]
    assert is_reserved(BOOTSTRAP.name)
    assert is_reserved(COMMAND_LINE.name)


async def test_the_timeline_names_the_key(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, service: Service
) -> None:
    made = await make(service)
    order = (await anonymous.post("/v1/orders", json=ORDER, headers=bearer(made.key))).json()
    await client.delete(f"/v1/orders/{order['id']}")
    events = (await client.get(f"/v1/orders/{order['id']}/events")).json()["data"]
    by = [(event["type"], event["data"].get("by")) for event in events]
    assert by[:2] == [("order.accepted", "shop"), ("order.cancel_requested", "API_KEY")]
    assert made.key not in str(events)


@pytest.mark.parametrize(
    ("presented", "reason"),
    [
        (None, "no key"),
        ("Basic abc", "no bearer key"),
        ("Bearer ", "no bearer key"),
        ("Bearer wrong", "unknown key"),
        ("Bearer phk_wrong", "unknown key"),
    ],
)
async def test_who_is_not_let_in_is_counted_by_reason_and_told_none(
    anonymous: httpx.AsyncClient, service: Service, presented: str | None, reason: str
) -> None:
    app: Any = anonymous._transport.app  # type: ignore[attr-defined]
    headers = {"Authorization": presented} if presented is not None else {}
    answer = await anonymous.get("/v1/orders", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert reason not in answer.text
    assert dict(app.state.context.refusals) == {("key", reason): 1}


async def test_a_flood_of_requests_without_a_key_is_told_in_a_line_a_second(
    anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "SECONDS", 0.2)
    with structlog.testing.capture_logs() as logged:
        for _ in range(30):
            assert (await anonymous.get("/v1/orders")).status_code == 401

        async def counts() -> list[int]:
            return [line["count"] for line in logged if line["event"] == "key_refused"]

        told = await eventually(counts, lambda seen: sum(seen) == 30)
    assert told[0] == 1, "the first is told at once"
    assert len(told) < 30


async def test_keys_are_paged_and_no_key_makes_any_number_of_them(
    service: Service, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "MOST_KEYS", 5)
    monkeypatch.setattr(paging, "BATCH", 2)
    tenant = await make(service, Scope.KEYS_WRITE, accounts=("one", "two", "three"))
    headers = bearer(tenant.key)
    body: dict[str, Any] = {"name": "k", "scopes": ["keys:write"], "account_ids": ["one"]}
    answers = [await anonymous.post("/v1/keys", json=body, headers=headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [201] * 4 + [409], "the tenant's own is the fifth"
    assert answers[-1].json()["type"].endswith("too-many-keys")
    around = await anonymous.post("/v1/keys", json={**body, "account_ids": ["one", "two"]}, headers=headers)
    assert around.status_code == 409, "another selection of accounts is no way around"
    assert (await make(service, accounts=("four",))).key, "nobody takes anybody else's"

    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        asked = await anonymous.get("/v1/keys", params={"limit": "2", **cursor}, headers=headers)
        listed += [key["id"] for key in asked.json()["data"]]
        if asked.json()["next_cursor"] is None:
            break
        cursor = {"cursor": asked.json()["next_cursor"]}
    made = [answer.json()["id"] for answer in answers[:4]]
    assert listed == [*reversed(made), str(tenant.stored.id)], "the newest first, each once"

    assert (await anonymous.delete(f"/v1/keys/{made[0]}", headers=headers)).status_code == 204
    assert (await anonymous.post("/v1/keys", json=body, headers=headers)).status_code == 201, "there is room"
