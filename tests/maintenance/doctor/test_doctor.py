"""The doctor is right about deployments broken in one way each, and says nothing wrong of a healthy one."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.accounts.clients import AccountClients
from app.config.settings import Settings
from app.db.database import Database
from app.db.models import Order, Replica, Webhook
from app.maintenance.doctor.checks import Outcome, Result
from app.maintenance.doctor.examining import Deployment, examine
from app.orders.callbacks import record_callback
from app.orders.erasing import clear
from app.orders.intake import NewOrder, create_order
from app.secrets import Encryption
from app.states import OrderStatus
from app.telemetry.metrics import Metrics
from tests.certificates import DAY, Authority
from tests.databases import PostgresServer
from tests.harness import Presshook, Sandbox, eventually, run_presshook
from tests.maintenance.doctor.front import Front, standing
from tests.settings import CLOUDPRESS_TOKEN, SECRET_KEY, make_settings

OTHER_KEY = "another-secret-key-that-is-long-enough"
PARKED = (200, {"content-type": "text/html"}, b"<h1>This domain is for sale</h1>")
MOVED = (301, {"location": "https://www.shop.example.com/hooks?token=s3cr3t"}, b"")
ASTRAY = (301, {"location": "https://[s3cr3t"}, b"")


async def looked_at(settings: Settings, *, offline: bool = False) -> list[Result]:
    """Return what the doctor finds with these settings."""
    db = Database(settings.database, Encryption(settings.secret_keys))
    try:
        async with aclosing(AccountClients(settings, db, Metrics())) as clients:
            return [result async for result in examine(Deployment(settings, db, clients), offline=offline)]
    finally:
        await db.dispose()


def troubles(results: list[Result]) -> dict[str, str]:
    """Return what is not well, and see to it that nothing tells a secret or is told without advice."""
    told = "\n".join(f"{result.detail} {result.advice}" for result in results)
    assert not [each for each in (SECRET_KEY, OTHER_KEY, CLOUDPRESS_TOKEN, "s3cr3t") if each in told]
    bad = [result for result in results if result.outcome in {Outcome.FAILED, Outcome.WARNING}]
    assert all(result.advice for result in bad)
    assert not [result for result in results if "\n" in result.detail]
    return {str(result.check): str(result.outcome) for result in bad}


@asynccontextmanager
async def deployed(database_url: str, cloudpress_url: str, **options: Any) -> AsyncIterator[Presshook]:
    """A deployment whose worker has said that it lives."""
    async with run_presshook(database_url, cloudpress_url, **options) as presshook:
        if options.get("reconcile", True):

            async def working() -> bool:
                async with presshook.service.db.read() as session:
                    return any(await session.scalars(select(Replica.works)))

            await eventually(working, bool)
        yield presshook


def changed(presshook: Presshook, **changes: Any) -> Settings:
    """Return a deployment's settings with changes."""
    ours = presshook.service.settings
    same = {
        "cloudpress_base_url": ours.cloudpress_base_url,
        "public_url": ours.public_url,
        "secret_key": ours.secret_key.get_secret_value(),
    }
    return make_settings(changes.pop("database_url", ours.database_url.get_secret_value()), **same | changes)


async def test_a_healthy_deployment_is_well(database_url: str, sandbox: Sandbox) -> None:
    async with deployed(database_url, sandbox.url) as presshook:
        order_id = (await presshook.order("One")).json()["id"]
        await presshook.until(order_id, "completed")
        results = await looked_at(presshook.service.settings)
        assert troubles(results) == {}
        well = {str(result.check) for result in results if result.outcome is Outcome.OK}
        assert {
            "callbacks.way_in",
            "callbacks.authorization",
            "callbacks.body_limit",
            "workers.alive",
        } <= well
        [evidence] = [result for result in results if result.check == "callbacks.evidence"]
        assert evidence.detail.startswith("1 of the last 1 finished orders were called back, and final ")
        assert ("database.listen" in well) != presshook.service.db.is_sqlite
        offline = await looked_at(presshook.service.settings, offline=True)
    assert troubles(offline) == {}
    assert [result.check for result in offline if result.outcome is Outcome.OK]


WAY_IN = "callbacks.way_in"
FRONTS = [
    (Front(), {}, "", "a proxy that does nothing"),
    (Front(most_bytes=1024**2), {}, "", "nginx's own limit of 1 MB"),
    (
        Front(drops=frozenset({"authorization"})),
        {"callbacks.authorization": "failed"},
        "takes the Authorization header away",
        "the header is stripped",
    ),
    (
        Front(replaces={"authorization": "Basic c3RhZ2U6c3RhZ2U="}),
        {"callbacks.authorization": "failed"},
        "replaces the Authorization header",
        "a proxy signs in by itself",
    ),
    (
        Front(drops=frozenset({"authorization", "x-presshook-probe"})),
        {WAY_IN: "failed"},
        "does not know our SECRET_KEY",
        "all that is unknown is stripped",
    ),
    (Front(most_bytes=1024), {"callbacks.body_limit": "failed"}, "64 KiB do not come in", "1 kB"),
    (Front(most_bytes=1), {"callbacks.body_limit": "failed"}, "two bytes", "nothing may come in"),
    (Front(most_bytes=65536), {"callbacks.body_limit": "warning"}, "larger than 64 KiB", "exactly 64 KiB"),
    (Front(says=PARKED), {WAY_IN: "failed"}, "something else answers: 200, text/html", "a parking page"),
    (Front(says=MOVED), {"callbacks.redirect": "failed"}, "https://www.shop.example.com", "a redirect"),
    (Front(says=ASTRAY), {"callbacks.redirect": "failed"}, "somewhere else", "a redirect that leads nowhere"),
    (Front(says=(502, {}, b"")), {WAY_IN: "failed"}, "does not reach Presshook", "a proxy before nothing"),
    (Front(says=(403, {}, b"challenge")), {WAY_IN: "failed"}, "refuses it", "a challenge for robots"),
    (Front(says=(204, {}, b"")), {WAY_IN: "failed"}, "something else answers", "a stranger that takes all"),
    (
        Front(says=(204, {"x-presshook-proof": "204 arrived 2 stored abc"}, b"")),
        {WAY_IN: "failed"},
        "something else answers",
        "a proof that is none",
    ),
    (Front(garbage=b"SSH-2.0-OpenSSH_9.2\r\n"), {WAY_IN: "failed"}, "no HTTP", "another service"),
    (Front(garbage=b""), {WAY_IN: "failed"}, "cut", "it hangs up"),
]


@pytest.mark.parametrize(("front", "expected", "words", "reason"), FRONTS, ids=[row[3] for row in FRONTS])
async def test_what_stands_before_a_deployment(
    database_url: str, sandbox: Sandbox, front: Front, expected: dict[str, str], words: str, reason: str
) -> None:
    async with deployed(database_url, sandbox.url) as presshook, standing(front, presshook.url) as url:
        results = await looked_at(changed(presshook, public_url=url))
    assert troubles(results) == expected, reason
    assert words in "\n".join(result.detail for result in results)


@pytest.mark.parametrize(
    ("names", "lasts", "expected", "words"),
    [
        (("127.0.0.1",), 90 * DAY, {}, "ends in "),
        (("127.0.0.1",), 10 * DAY, {"callbacks.certificate": "warning"}, "ends in "),
        (("127.0.0.1",), -DAY, {"callbacks.certificate": "failed"}, "expired"),
        (("shop.example.com",), 90 * DAY, {"callbacks.certificate": "failed"}, "mismatch"),
        (None, 90 * DAY, {"callbacks.certificate": "failed"}, "certificate"),
    ],
    ids=["trusted", "ends soon", "expired", "another name", "a foreign authority"],
)
async def test_the_certificate(
    database_url: str,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...] | None,
    lasts: timedelta,
    expected: dict[str, str],
    words: str,
) -> None:
    trusted, authority = Authority(), Authority()
    named = tmp_path / "authority.pem"
    named.write_text(trusted.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    signing = trusted if names else authority
    context: ssl.SSLContext = signing.server_context(*(names or ("127.0.0.1",)), valid_for=lasts)
    async with (
        deployed(database_url, sandbox.url) as presshook,
        standing(Front(), presshook.url, tls=context) as url,
    ):
        results = await looked_at(changed(presshook, public_url=url))
    assert troubles(results) == expected
    [certificate] = [result for result in results if result.check == "callbacks.certificate"]
    assert words in certificate.detail


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"public_url": "http://127.0.0.1:9"}, {"callbacks.name": "failed"}),
        ({"public_url": "https://no-such-name.invalid"}, {"callbacks.name": "failed"}),
        ({"cloudpress_api_token": "revoked"}, {"cloudpress.token": "failed"}),
        ({"cloudpress_base_url": "http://127.0.0.1:9"}, {"cloudpress.reachable": "failed"}),
        ({"secret_key": OTHER_KEY}, {WAY_IN: "failed", "keys.needed": "failed"}),
        ({"secret_key": f"{SECRET_KEY},{OTHER_KEY}"}, {"keys.needed": "warning"}),
    ],
    ids=["nobody listens", "no such name", "a wrong token", "no CloudPress", "another key", "an old key"],
)
async def test_a_setting_that_is_wrong(
    database_url: str, sandbox: Sandbox, changes: dict[str, str], expected: dict[str, str]
) -> None:
    async with deployed(database_url, sandbox.url) as presshook:
        await presshook.order("Paid for later [payment-first]")
        results = await looked_at(changed(presshook, **changes))
    assert troubles(results) == expected


def saying(**about: list[dict[str, str]]) -> Front:
    """What answers each request with such a document of `/api/about`."""
    return Front(says=(200, {"content-type": "application/json"}, json.dumps(about).encode()))


MANY = [{"id": "1", "name": "L"}] * 460_000


@pytest.mark.parametrize(
    ("front", "words"),
    [
        (Front(says=PARKED), "not JSON"),
        (saying(locations=MANY), "larger than 4 MiB"),
        (saying(products=MANY[:1001]), "more than 1000 entries"),
    ],
    ids=["a parking page", "460,000 locations", "1,001 plans"],
)
async def test_a_base_url_that_leads_to_something_else(
    database_url: str, sandbox: Sandbox, front: Front, words: str
) -> None:
    async with deployed(database_url, sandbox.url) as presshook, standing(front, "") as url:
        results = await looked_at(changed(presshook, cloudpress_base_url=url))
    assert troubles(results) == {"cloudpress.reachable": "failed"}
    assert words in "\n".join(result.detail for result in results), "for what answers may be CloudPress"


async def test_an_old_key_is_needed_until_it_is_not(database_url: str, sandbox: Sandbox) -> None:
    async with deployed(database_url, sandbox.url, secret_key=OTHER_KEY) as presshook:
        order = (await presshook.order("Paid for later [payment-first]")).json()
        both = f"{SECRET_KEY},{OTHER_KEY}"
        [needed] = [
            each for each in await looked_at(changed(presshook, secret_key=both)) if each.check == KEYS
        ]
        assert needed.outcome is Outcome.OK
        assert "key 2 is needed by 1 open order and" in needed.detail
        assert "rekey" in needed.detail
        assert order["status"] == "awaiting_payment"


KEYS = "keys.needed"


async def test_another_database_under_the_same_key_is_not_ours(
    database_url: str, sandbox: Sandbox, sqlite_files: Any
) -> None:
    with sqlite_files.migrated_url() as other:
        async with deployed(database_url, sandbox.url) as presshook:
            results = await looked_at(changed(presshook, database_url=other))
    assert troubles(results) == {WAY_IN: "failed", "workers.alive": "failed"}
    assert "works on another database" in "\n".join(result.detail for result in results)


async def test_nobody_works(database_url: str, sandbox: Sandbox) -> None:
    async with deployed(database_url, sandbox.url, reconcile=False) as presshook:
        await presshook.order("One", wait=0)
        async with presshook.service.db.write() as tx:
            await tx.session.execute(update(Order).values(due_at=tx.now - timedelta(minutes=20)))
        results = await looked_at(presshook.service.settings)
    assert troubles(results) == {"workers.alive": "failed", "workers.due": "failed"}


async def test_orders_that_nobody_calls_back(database_url: str, sandbox: Sandbox) -> None:
    async with deployed(database_url, sandbox.url, reconcile=False) as presshook:
        db = presshook.service.db
        orders = [
            await create_order(db, NewOrder("acct", f"Site {i}", "vanilla", None, None, None, {}), None)
            for i in range(6)
        ]
        async with db.write() as tx:
            final = {"status": OrderStatus.COMPLETED, "finalized_at": tx.now, "due_at": None}
            await tx.session.execute(update(Order).values(**final))
            await tx.session.execute(
                insert(Replica).values(
                    id=orders[0].id,
                    role="worker",
                    host="elsewhere",
                    version=presshook.service.heartbeats.version,
                    works=True,
                    started_at=tx.now,
                    seen_at=tx.now,
                )
            )
        assert troubles(await looked_at(presshook.service.settings)) == {"callbacks.evidence": "failed"}
        await record_callback(db, orders[0].id, b"{}")
        assert troubles(await looked_at(presshook.service.settings)) == {"callbacks.evidence": "warning"}
        async with db.write() as tx:
            await tx.session.execute(update(Order).values(due_at=None))
            await clear(tx, [order.id for order in orders])
        results = await looked_at(presshook.service.settings)
        assert troubles(results) == {}, "nobody knows of a tombstone whether it was called back"
        [evidence] = [result for result in results if result.check == "callbacks.evidence"]
        assert evidence.outcome == "skipped"


async def test_webhooks_that_are_disabled_or_lead_where_they_may_not(
    database_url: str, sandbox: Sandbox
) -> None:
    async with deployed(database_url, sandbox.url, webhook_allowed_networks="127.0.0.0/8") as presshook:
        made = await presshook.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/hook"})
        assert made.status_code == 201
        networks = {"webhook_allowed_networks": "127.0.0.0/8"}
        assert troubles(await looked_at(changed(presshook, **networks))) == {}
        assert troubles(await looked_at(changed(presshook))) == {"webhooks.addresses": "failed"}
        async with presshook.service.db.write() as tx:
            await tx.session.execute(update(Webhook).values(failing_since=tx.now))
        assert troubles(await looked_at(changed(presshook, **networks))) == {"webhooks.enabled": "warning"}
        async with presshook.service.db.write() as tx:
            await tx.session.execute(
                update(Webhook).values(is_enabled=False, disabled_reason="It took nothing.")
            )
        assert troubles(await looked_at(changed(presshook, **networks))) == {"webhooks.enabled": "failed"}


async def test_a_role_that_may_only_read(
    postgres_server: PostgresServer, postgres_url: str, sandbox: Sandbox
) -> None:
    with postgres_server.url_of_role(postgres_url, "SELECT") as url:
        async with deployed(postgres_url, sandbox.url) as presshook:
            results = await looked_at(changed(presshook, database_url=url))
    assert troubles(results) == {"database.rights": "failed"}


async def test_a_database_that_was_never_migrated(empty_database_url: str, sandbox: Sandbox) -> None:
    results = await looked_at(
        make_settings(empty_database_url, cloudpress_base_url=sandbox.url), offline=True
    )
    assert troubles(results) == {"database.reachable": "failed"}


async def test_a_database_that_is_away(sandbox: Sandbox) -> None:
    settings = make_settings("postgresql://u:s3cr3t@127.0.0.1:9/x", cloudpress_base_url=sandbox.url)
    assert troubles(await looked_at(settings, offline=True)) == {"database.reachable": "failed"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:8000", "address of this machine"),
        ("http://presshook.example.com", "not encrypted"),
        ("https://example.com/presshook", "path"),
    ],
)
async def test_an_address_that_will_hurt(database_url: str, url: str, words: str) -> None:
    settings = make_settings(
        database_url, public_url=url, cloudpress_base_url="https://app.cloudpress.example"
    )
    results = await looked_at(settings, offline=True)
    assert troubles(results) == {"settings.public_url": "warning", "workers.alive": "failed"}
    assert words in results[0].detail
