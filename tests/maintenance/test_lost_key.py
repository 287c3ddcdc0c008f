"""A lost SECRET_KEY: what it alone could decrypt is given up, and everything else goes on."""

import pytest
from sqlalchemy import select

from app.db.database import Database
from app.db.models import Account, Callback, Site, Webhook
from app.db.url import async_database_url
from app.maintenance.fitness import require_readable
from app.maintenance.lost_key import SECRET_LOST, forget_undecryptable
from app.maintenance.rekey import rekey
from app.secrets import Encryption, UndecryptableError
from tests.harness import Sandbox, run_presshook
from tests.settings import SECRET_KEY

NEW_KEY = "another-secret-key-of-the-tests-long-enough"


async def test_what_no_key_decrypts_is_given_up_and_the_rest_goes_on(
    database_url: str, sandbox: Sandbox
) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        before = await presshook.until((await presshook.order("Before")).json()["id"], "completed")
        hook = {"url": "https://shop.example.com/"}
        made = (await presshook.client.post("/v1/webhooks", json=hook)).json()
        async with presshook.service.db.write() as tx:
            tx.session.add(Account(id="partner", token=b"t", created_at=tx.now, updated_at=tx.now))
    cipher = Encryption([NEW_KEY])
    db = Database(async_database_url(database_url), cipher)
    with pytest.raises(UndecryptableError):
        await rekey(db)
    given_up = await forget_undecryptable(db, cipher)
    assert {"accounts.token", "webhooks.secret", "sites.answer", "sites.ssh_password"} <= given_up.keys()
    assert await forget_undecryptable(db, cipher) == {}, "nothing is left that cannot be read"
    await require_readable(db)
    assert await rekey(db) > 0
    async with db.read() as session:
        assert not (await session.scalars(select(Account))).all()
        assert set(await session.scalars(select(Callback.body))) <= {b""}
        assert (await session.execute(select(Site.ssh_password))).scalar_one() is None
        webhook = (await session.scalars(select(Webhook))).one()
        assert (webhook.is_enabled, webhook.disabled_reason) == (False, SECRET_LOST)
    await db.dispose()
    async with run_presshook(database_url, sandbox.url, secret_key=NEW_KEY) as presshook:
        shown = await presshook.show(before["id"])
        assert (shown["status"], shown["site"]["id"]) == ("completed", before["site"]["id"])
        credentials = (await presshook.client.get(f"/v1/orders/{before['id']}/credentials")).json()
        assert credentials["ssh"]["password"] is None
        rotated = await presshook.client.post(f"/v1/webhooks/{made['id']}/rotate")
        assert rotated.json()["secret"] != made["secret"]
        await presshook.until((await presshook.order("After")).json()["id"], "completed")


async def test_what_can_be_read_is_left_as_it_is(database_url: str, sandbox: Sandbox) -> None:
    async with run_presshook(database_url, sandbox.url) as presshook:
        order = await presshook.until((await presshook.order("Before")).json()["id"], "completed")
        path = f"/v1/orders/{order['id']}/credentials"
        before = (await presshook.client.get(path)).json()
        cipher = Encryption([NEW_KEY, SECRET_KEY])
        db = Database(async_database_url(database_url), cipher)
        assert await forget_undecryptable(db, cipher) == {}
        await db.dispose()
        assert (await presshook.client.get(path)).json() == before
