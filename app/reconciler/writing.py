"""What passes write, many of them in one transaction. (`app/queue/group_commit.py`)

A pass hands in a step: what it writes of its order, once that is locked. The steps that come while a
transaction commits go into the next one, whatever they are: intents, answers, conclusions. All their orders
are locked in one statement; then one step after the other is taken, each as if it were alone.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.database import Database
from app.db.models import Order
from app.db.transactions import Transaction
from app.queue.group_commit import LATER, Gather, GroupCommit, Later
from app.reconciler.findings import Findings
from app.reconciler.loaded import Loaded


@dataclass
class Held:
    """An order that is locked, in a transaction which other passes share.

    The transaction may fail and be repeated, so a step changes nothing but the database and this.
    """

    tx: Transaction
    order: Order
    loaded: Loaded
    findings: Findings
    """What the pass has found, in a copy that the step may change."""


@dataclass(frozen=True)
class Step:
    """What a pass writes of its order."""

    order_id: UUID
    findings: Findings
    write: Callable[[Held], Awaitable[Any]]
    token: UUID | None
    """The lease under which alone it is written; None for what is written in any case."""
    named: tuple[str, ...] = ()
    """The CloudPress orders that it may come to hold."""
    site_ids: tuple[str, ...] = ()
    """The sites of that kind."""


class Writing:
    """Writes the steps of all passes of a process."""

    def __init__(self, db: Database, *, measure: Callable[[int, float], None] | None = None) -> None:
        """Write to `db`."""
        self._db = db
        self._group: GroupCommit[Step, Any] = GroupCommit(
            self._run, key=lambda step: step.order_id, measure=measure
        )

    async def write(self, step: Step) -> Any:  # noqa: ANN401 - whatever the step returns
        """Write a step; return what it returns, once that is committed. None if the lease was lost."""
        return await self._group.add(step)

    async def _run(self, gather: Gather[Step]) -> Sequence[Any | Later]:
        async with self._db.write() as tx:
            steps = gather()
            order_ids = {step.order_id for step in steps}
            loaded = Loaded(
                tx,
                order_ids,
                named={each for step in steps for each in step.named},
                site_ids={each for step in steps for each in step.site_ids},
            )
            await loaded.lock()
            # One that is not there, where nothing was waited for, is locked by somebody else.
            missing = None if len(order_ids) == 1 or self._db.is_sqlite else LATER
            return [await _written(tx, loaded, step, missing) for step in steps]


async def _written(tx: Transaction, loaded: Loaded, step: Step, missing: Later | None) -> Any:  # noqa: ANN401
    order = loaded.orders.get(step.order_id)
    if order is None:
        return missing
    if step.token is not None and order.lease_token != step.token:
        return None
    return await step.write(Held(tx, order, loaded, step.findings.copy()))
