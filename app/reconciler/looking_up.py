"""Looks an order up in CloudPress's list, page by page and one by one, over as many passes as it takes."""

from dataclasses import dataclass, field
from datetime import datetime

from app.cloudpress import CloudPressError
from app.cloudpress.protocol import Provider
from app.db.database import Transaction
from app.db.models import LookUp, Order
from app.events.timeline import record
from app.events.types import EventType
from app.queue.leases import Claim
from app.reconciler.dependencies import Dependencies, time_left_seconds, trouble_of
from app.reconciler.evidence import Sent, held_among, is_same_kind, is_young_enough, name_of_site, seen
from app.states import Trouble

FULL_PAGE = 100


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


class OrderLookUp:
    """One order's look-up, continued where the last pass left it."""

    def __init__(
        self, dependencies: Dependencies, claim: Claim[Order], provider: Provider, sent: Sent
    ) -> None:
        """Prepare to look up; `go_on` does it."""
        self._dependencies = dependencies
        self._claim = claim
        self._provider = provider
        self._sent = sent
        self._asked = False

    async def go_on(self) -> Progress:
        """Go on with the look-up, or begin one, for as long as the pass has time."""
        progress = await self._load()
        if progress.begun_at is None:
            progress.begun_at, progress.page = self._sent.now, 1
            progress.unseen, progress.candidates, progress.suspects = [], [], []
        try:
            finished = await self._list(progress) and await self._see(progress)
        except CloudPressError as error:
            progress.trouble = trouble_of(error)
            return progress
        if finished:
            progress.last_begun_at, progress.begun_at = progress.begun_at, None
            progress.completed += 1
        return progress

    async def _load(self) -> Progress:
        async with self._dependencies.db.read() as session:
            row = await session.get(LookUp, self._claim.row.id)
        if row is None:
            return Progress()
        return Progress(
            begun_at=row.begun_at,
            page=row.page,
            unseen=list(row.unseen),
            candidates=list(row.candidates),
            suspects=list(row.suspects),
            completed=row.completed,
            last_begun_at=row.last_begun_at,
        )

    def _has_time(self) -> bool:
        """Tell whether another request fits into this pass; the first one always does."""
        fits = (
            time_left_seconds(self._dependencies, self._claim) >= self._dependencies.upstream_timeout_seconds
        )
        first, self._asked = not self._asked, True
        return fits or first

    async def _list(self, progress: Progress) -> bool:
        """Read the pages that are left; tell whether all were read."""
        while progress.page is not None:
            if not self._has_time():
                return False
            timeout_seconds = time_left_seconds(self._dependencies, self._claim)
            answer = await self._provider.orders(page=progress.page, timeout_seconds=timeout_seconds)
            found = [
                summary.id
                for summary in answer.value
                if is_same_kind(self._claim.row, summary)
                and is_young_enough(self._sent, summary, answer.date)
            ]
            known = {*progress.unseen, *progress.candidates, *progress.suspects}
            progress.unseen += [order_id for order_id in dict.fromkeys(found) if order_id not in known]
            progress.page = progress.page + 1 if len(answer.value) >= FULL_PAGE else None
        return True

    async def _see(self, progress: Progress) -> bool:
        """See one by one what was listed and nobody holds; tell whether all were seen."""
        order = self._claim.row
        async with self._dependencies.db.read() as session:
            held = await held_among(session, order, progress.unseen)
        held |= {order.cloudpress_order_id} if order.cloudpress_order_id else set()
        while progress.unseen:
            order_id = progress.unseen[-1]
            if order_id not in held:
                if not self._has_time():
                    return False
                verdict = await self._verdict(order_id)
                if verdict is not None:
                    getattr(progress, verdict).append(order_id)
            progress.unseen.pop()
        return True

    async def _verdict(self, order_id: str) -> str | None:
        """Say whether a CloudPress order is among the candidates, the suspects, or neither."""
        order = self._claim.row
        details = await seen(self._dependencies, self._claim, self._provider, order_id)
        if details is None:
            return "suspects"  # it was listed, so a 404 is a passing failure or tells nothing
        if not is_same_kind(order, details.value):
            return None
        name = await name_of_site(self._dependencies, self._claim, self._provider, details.value)
        if name is None:
            return "suspects"
        if name == order.site_name and details.value.variant is not None:
            return "candidates"
        return "suspects" if resembles(name, order.site_name) else None


def resembles(name: str, other: str) -> bool:
    """Tell whether two names differ by nothing but case, spaces or truncation."""
    one, two = ("".join(text.split()).casefold() for text in (name, other))
    return one.startswith(two) or two.startswith(one)
