"""How far the look-up of an order has come, and what the complete ones have shown: kept between passes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from app.db.database import Transaction
from app.db.models import LookUp, Order
from app.events.timeline import record
from app.events.types import EventType
from app.states import Trouble


@dataclass
class Progress:
    """How far a look-up has come, and what the complete ones have shown."""

    begun_at: datetime | None = None
    page: int | None = 1
    unseen: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)
    completed: int = 0
    last_begun_at: datetime | None = None
    trouble: Trouble | None = None

    @property
    def is_complete(self) -> bool:
        """Whether no look-up is under way."""
        return self.begun_at is None

    @classmethod
    def of(cls, row: LookUp | None) -> Self:
        """Return the progress that was kept, or none."""
        if row is None:
            return cls()
        return cls(
            begun_at=row.begun_at,
            page=row.page,
            unseen=list(row.unseen),
            candidates=list(row.candidates),
            suspects=list(row.suspects),
            completed=row.completed,
            last_begun_at=row.last_begun_at,
        )

    def begin(self, now: datetime) -> None:
        """Begin a look-up, unless one is under way."""
        if self.begun_at is None:
            self.begun_at, self.page = now, 1
            self.unseen, self.candidates, self.suspects = [], [], []

    def complete(self) -> None:
        """Note that the look-up under way has seen everything."""
        self.last_begun_at, self.begun_at = self.begun_at, None
        self.completed += 1

    async def save(self, tx: Transaction, order: Order) -> None:
        """Keep the progress, and tell of a complete look-up that showed something else than the last."""
        row = await tx.session.get(LookUp, order.id)
        shown = (sorted(self.candidates), sorted(self.suspects))
        if row is None:
            row = LookUp(order_id=order.id, completed=0, candidates=[], suspects=[], unseen=[])
            tx.session.add(row)
        if self.is_complete and (
            row.completed == 0 or shown != (sorted(row.candidates), sorted(row.suspects))
        ):
            record(tx, order.id, EventType.LOOKED_UP, candidates=shown[0], suspects=shown[1])
        row.begun_at = self.begun_at
        row.page = self.page
        row.unseen = list(self.unseen)
        row.candidates = list(self.candidates)
        row.suspects = list(self.suspects)
        row.completed = self.completed
        row.last_begun_at = self.last_begun_at
