"""What was bought is recorded, whatever texts CloudPress answers with it."""

from typing import Any

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from app.cloudpress import Answer, Placed
from app.db.models import Order, Placement
from app.states.statuses import OrderStatus
from tests.reconciler.scripted import Bench, ScriptedCloudPress, SetClock

REFUSED = "refused"
SQLITE_REFUSES = (
    f"""CREATE TRIGGER refuse BEFORE UPDATE ON orders
    WHEN NEW.cloudpress_status = '{REFUSED}' BEGIN SELECT RAISE(ABORT, 'cannot be stored'); END""",
)
POSTGRESQL_REFUSES = (
    """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'cannot be stored' USING ERRCODE = '22P05'; END $$""",
    f"""CREATE TRIGGER refuse BEFORE UPDATE ON orders FOR EACH ROW
    WHEN (NEW.cloudpress_status = '{REFUSED}') EXECUTE FUNCTION refuse()""",
)


class Wordy(ScriptedCloudPress):
    """Says something odd with each order."""

    def __init__(self, words: str) -> None:
        super().__init__(SetClock())
        self._words = words

    async def place(self, *arguments: Any, **named: Any) -> Answer[Placed]:
        """Make an order."""
        answer = await super().place(*arguments, **named)
        value = answer.value.model_copy(update={"order_status": self._words})
        return Answer(value, answer.raw, answer.date)


@pytest.mark.parametrize(
    ("words", "stored", "reason"),
    [
        ("half \ud83d and \x00", "half \ufffd and \ufffd", "what no database can store is replaced"),
        (REFUSED, None, "what this database refuses for another reason is left out"),
    ],
)
async def test_no_text_undoes_the_recording_of_a_purchase(
    database_url: str, words: str, stored: str | None, reason: str
) -> None:
    cloudpress = Wordy(words)
    bench = Bench(database_url, cloudpress)
    async with bench.db.write() as tx:
        for statement in SQLITE_REFUSES if bench.db.is_sqlite else POSTGRESQL_REFUSES:
            await tx.session.execute(text(statement))
    order_id = await bench.order()
    with capture_logs() as told:
        await bench.work()
    async with bench.db.read() as session:
        order = await session.get_one(Order, order_id)
        [placement] = await session.scalars(select(Placement))
    assert (order.status, order.cloudpress_order_id) == (OrderStatus.PROVISIONING, "cp-1"), reason
    assert (placement.outcome, placement.cloudpress_order_id) == ("placed", "cp-1")
    assert order.cloudpress_status == stored
    assert cloudpress.count("place") == 1
    assert {"text_replaced", "answer_recorded_bare"} & {each["event"] for each in told}, "and it is said"
    await bench.db.dispose()
