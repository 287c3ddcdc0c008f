"""Which index finds the few orders that a list is of, where another would be read until they are found."""

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from app.main import Service
from app.orders.listing import Wanted, page
from app.states import OrderStatus
from tests.databases import SqliteFiles
from tests.settings import make_settings


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(attention=True), "ix_orders_attention"),
        (Wanted(attention=True, statuses=[OrderStatus.FAILED]), "ix_orders_attention"),
        (Wanted(attention=True, account_ids=["one"]), "ix_orders_account_id_attention"),
        (Wanted(attention=True, account_ids=["one", "other"]), "ix_orders_account_id_attention"),
        (
            Wanted(attention=True, account_ids=["one"], statuses=[OrderStatus.FAILED, OrderStatus.PENDING]),
            "ix_orders_account_id_attention",
        ),
        (Wanted(attention=True, account_ids=[f"{n}" for n in range(200)]), "ix_orders_attention"),
        (Wanted(site_name="Rosa", account_ids=["one"]), "ix_orders_account_id_site_name"),
        (Wanted(site_name="Rosa", account_ids=["one", "other"]), "ix_orders_account_id_site_name"),
        (Wanted(account_ids=["one"]), "ix_orders_account_id_created_at_id"),
    ],
)
async def test_few_orders_are_found_by_their_own_index(
    sqlite_files: SqliteFiles, wanted: Wanted, index: str
) -> None:
    with sqlite_files.migrated_url() as url:
        service = Service(make_settings(url))
        asked = page(wanted).compile(
            dialect=sqlite.dialect(),
            compile_kwargs={"literal_binds": True},
        )
        async with service.db.read() as session:
            plan = await session.execute(text(f"EXPLAIN QUERY PLAN {asked}"))
            used = " ".join(str(row[-1]) for row in plan)
        await service.db.dispose()
    assert index in used.split(), used
