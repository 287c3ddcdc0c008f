"""A key that was replaced, in its grace: it goes on as it did, and gives no time that it has not."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.events.timeline import Actor
from app.keys.changing import MadeKey, make_key, rotate_key
from app.keys.grants import NewKey, Scope
from app.main import Service
from tests.dashboard.conftest import browser_of

ACTOR = Actor("the test")
GRACE_SECONDS = 600


@dataclass
class Replaced:
    """A key, with the secret that it had before and the one that it has."""

    id: str
    former: dict[str, str]
    present: dict[str, str]
    former_key: str


async def make(service: Service, expires_at: datetime | None = None) -> MadeKey:
    return await make_key(
        service.db, NewKey("tenant", (Scope.KEYS_WRITE, Scope.ORDERS_READ), None, expires_at), by=ACTOR
    )


async def replace(service: Service, made: MadeKey) -> Replaced:
    rotated = await rotate_key(service.db, made.stored.id, grace_seconds=GRACE_SECONDS, by=ACTOR)
    assert rotated is not None
    former, present = ({"Authorization": f"Bearer {key}"} for key in (made.key, rotated.key))
    return Replaced(str(made.stored.id), former, present, made.key)


@pytest.fixture
async def replaced(service: Service) -> Replaced:
    return await replace(service, await make(service))


def within(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def new(expires_at: str | None) -> dict[str, Any]:
    return {"name": "new", "scopes": ["orders:read"], "expires_at": expires_at}


def assert_beyond(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:presshook:problem:beyond-own-key")


async def assert_present_works(anonymous: httpx.AsyncClient, replaced: Replaced) -> None:
    assert (await anonymous.get("/v1/orders", headers=replaced.present)).status_code == 200


async def test_a_former_key_makes_none_that_outlasts_its_grace(
    anonymous: httpx.AsyncClient, replaced: Replaced
) -> None:
    for expires_at in (None, within(GRACE_SECONDS + 60)):
        assert_beyond(await anonymous.post("/v1/keys", json=new(expires_at), headers=replaced.former))
        made = await anonymous.post("/v1/keys", json=new(expires_at), headers=replaced.present)
        assert made.status_code == 201
    made = await anonymous.post("/v1/keys", json=new(within(60)), headers=replaced.former)
    assert made.status_code == 201
    path = f"/v1/keys/{made.json()['id']}"
    assert (await anonymous.post(f"{path}/rotate", headers=replaced.former)).status_code == 200
    assert (await anonymous.delete(path, headers=replaced.former)).status_code == 204


@pytest.mark.parametrize("ends_first", [False, True], ids=["lasting", "that ends in its grace"])
async def test_a_former_key_ends_nothing_of_the_one_that_replaced_it(
    anonymous: httpx.AsyncClient, service: Service, *, ends_first: bool
) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=GRACE_SECONDS / 2) if ends_first else None
    replaced = await replace(service, await make(service, expires_at))
    path = f"/v1/keys/{replaced.id}"
    assert_beyond(await anonymous.post(f"{path}/rotate", headers=replaced.former))
    assert_beyond(await anonymous.delete(path, headers=replaced.former))
    await assert_present_works(anonymous, replaced)
    assert (await anonymous.get(path, headers=replaced.former)).status_code == 200, "it may read what it is"
    listed = (await anonymous.get("/v1/keys", headers=replaced.former)).json()["data"]
    assert [key["id"] for key in listed] == [replaced.id]
    assert (await anonymous.post(f"{path}/rotate", headers=replaced.present)).status_code == 200


async def test_a_rotation_that_is_sent_again_by_the_former_key_is_told_that_it_was_done(
    anonymous: httpx.AsyncClient, service: Service
) -> None:
    """The answer to the first one got lost, so that its client has the former key alone."""
    made = await make(service)
    headers = {"Authorization": f"Bearer {made.key}"}
    path = f"/v1/keys/{made.stored.id}"
    first = await anonymous.post(f"{path}/rotate", json={"grace_seconds": 600}, headers=headers)
    again = await anonymous.post(f"{path}/rotate", json={"grace_seconds": 600}, headers=headers)
    assert (again.status_code, again.json()["type"]) == (409, "urn:presshook:problem:rotation-under-way")
    for key in (made.key, first.json()["key"]):
        bearer = {"Authorization": f"Bearer {key}"}
        assert (await anonymous.get("/v1/orders", headers=bearer)).status_code == 200


async def test_keys_that_outlast_a_grace_do_not_exist_for_the_former_key(
    anonymous: httpx.AsyncClient, service: Service, replaced: Replaced
) -> None:
    lasting = await make(service)
    path = f"/v1/keys/{lasting.stored.id}"
    for method, address in (("GET", path), ("POST", f"{path}/rotate"), ("DELETE", path)):
        assert (await anonymous.request(method, address, headers=replaced.former)).status_code == 404
    assert (await anonymous.get(path, headers=replaced.present)).status_code == 200


async def test_a_former_key_gives_no_more_by_the_dashboard(
    anonymous: httpx.AsyncClient, service: Service, replaced: Replaced
) -> None:
    async with browser_of(service, key=replaced.former_key) as browser:
        made = await browser.post("/ui/keys", data={"name": "new", "scope": "orders:read"})
        rotated = await browser.post(f"/ui/keys/{replaced.id}/rotate", data={"grace_hours": "0"})
        revoked = await browser.post(f"/ui/keys/{replaced.id}/revoke")
    assert [each.status_code for each in (made, rotated, revoked)] == [403, 403, 403]
    await assert_present_works(anonymous, replaced)


async def test_who_has_signed_in_for_hours_makes_keys_for_as_long_as_the_key_lasts(service: Service) -> None:
    """A session ends sooner than its key: what it makes need not."""
    made = await make(service)
    async with browser_of(service, key=made.key) as browser:
        answer = await browser.post("/ui/keys", data={"name": "new", "scope": "orders:read"})
        assert answer.status_code == 200


async def test_nor_one_that_ends_what_replaced_it(service: Service, anonymous: httpx.AsyncClient) -> None:
    """Its grace lasts until both expire: what it makes to last as long could take over the new key."""
    expires_at = datetime.now(UTC) + timedelta(seconds=GRACE_SECONDS / 2)
    replaced = await replace(service, await make(service, expires_at))
    twin = {"name": "twin", "scopes": ["keys:write", "orders:read"], "expires_at": expires_at.isoformat()}
    assert_beyond(await anonymous.post("/v1/keys", json=twin, headers=replaced.former))
    sooner = (expires_at - timedelta(seconds=1)).isoformat()
    made = await anonymous.post("/v1/keys", json={**twin, "expires_at": sooner}, headers=replaced.former)
    assert made.status_code == 201
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await anonymous.post(f"/v1/keys/{replaced.id}/rotate", headers=headers)).status_code == 404
    assert (await anonymous.delete(f"/v1/keys/{replaced.id}", headers=headers)).status_code == 404
    await assert_present_works(anonymous, replaced)


async def test_the_environments_key_rules_what_a_newer_release_lets_a_key_do(
    service: Service, client: httpx.AsyncClient
) -> None:
    made = await make_key(service.db, NewKey("newer", ("orders:read", "reports:read")), by=ACTOR)
    path = f"/v1/keys/{made.stored.id}"
    assert (await client.get(path)).status_code == 200
    assert (await client.delete(path)).status_code == 204
