"""What is asked for by a filter, or made up for, costs no more for all that ever happened."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode
from uuid import UUID

import pytest

from app.events import reading
from tests.db.test_plans import change, fill, listening, looking_far
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.hooks import complete, deliveries, hook
from tests.receiver import LOCAL_NETWORKS, Receiver
from tests.settings import CLOUDPRESS_ACCOUNT
from tests.sse import stream

MANY = urlencode(
    [("account_id", f"none-{number}") for number in range(99)] + [("status", "failed"), ("status", "pending")]
)
ASKED = (
    "/v1/events?type=order.failed",
    "/v1/events?type=key.rotated&type=webhook.removed",
    "/v1/webhooks/{webhook}/deliveries?status=failed",
    "/v1/webhooks/{webhook}/deliveries?status=pending",
    f"/v1/orders?{MANY}",
    "/v1/orders?attention=false&status=failed",
    "/v1/orders?site_name=Nobody&status=failed",
    "/v1/orders?created_before=2000-01-01T00:00:00Z&status=failed&status=completed",
)
OF_ONE_ACCOUNT = ("/v1/events", "/v1/events?type=order.failed", "/v1/events?type=order.completed")


@pytest.fixture
async def presshook(database_url: str, sandbox: Sandbox) -> AsyncIterator[Presshook]:
    """A service whose webhooks may reach this machine."""
    async with run_presshook(database_url, sandbox.url, webhook_allowed_networks=LOCAL_NETWORKS) as running:
        yield running


@pytest.fixture
def _windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have few events in a window, as a million have few in one of ten thousand."""
    monkeypatch.setattr(reading, "WINDOW", 50)


async def key_of(presshook: Presshook, *account_ids: str) -> dict[str, str]:
    """Make a key for some accounts, and return the header that presents it."""
    body = {"name": "some", "scopes": ["orders:read"], "account_ids": account_ids}
    made = (await presshook.client.post("/v1/keys", json=body)).json()
    return {"Authorization": f"Bearer {made['key']}"}


async def lived(presshook: Presshook, receiver: Receiver) -> str:
    """Have a webhook that was told of thousands of past orders; return its id."""
    made = await hook(presshook, receiver)
    order_id = await complete(presshook)
    await eventually(
        lambda: deliveries(presshook, made["id"]),
        lambda found: len(found) > 1 and all(each["status"] == "delivered" for each in found),
    )
    await fill(presshook.service.db, UUID(order_id))
    return str(made["id"])


@pytest.mark.usefixtures("_windows")
async def test_a_filter_reads_no_share_of_what_there_is(
    database_url: str, presshook: Presshook, receiver: Receiver
) -> None:
    webhook = await lived(presshook, receiver)
    await complete(presshook, "After all others")
    small = await key_of(presshook, "another")
    large = await key_of(presshook, CLOUDPRESS_ACCOUNT)
    with listening() as asked:
        for path in ASKED:
            answer = await presshook.client.get(path.replace("{webhook}", webhook))
            assert answer.status_code == 200, answer.text
        for path in OF_ONE_ACCOUNT:
            for key in (small, large):
                assert (await presshook.client.get(path, headers=key)).status_code == 200
        async with stream(presshook.client, "/v1/events", after=0, type="order.completed") as opened:
            told = aiter(opened)
            assert [(await anext(told)).type for _ in range(2)] == ["order.completed"] * 2
        known = dict(asked)
    change(database_url)
    assert not looking_far(database_url, known)


@pytest.mark.usefixtures("_windows")
async def test_what_was_missed_is_looked_for_window_by_window(
    database_url: str, presshook: Presshook, receiver: Receiver
) -> None:
    await lived(presshook, receiver)
    fresh = await hook(presshook, receiver)
    path = f"/v1/webhooks/{fresh['id']}/redeliver"
    with listening() as asked:
        answer = await presshook.client.post(path, json={"since": fresh["created_at"]})
    assert (answer.status_code, answer.json()) == (202, {"count": 0})
    known = {text: given for text, given in asked.items() if text.startswith("SELECT")}
    change(database_url)
    assert not looking_far(database_url, known)
