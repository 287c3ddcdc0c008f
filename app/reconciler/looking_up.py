"""Looks an order up in CloudPress's list, page by page and one by one, over as many passes as it takes."""

from enum import StrEnum

from app.cloudpress import CloudPressError
from app.db.models import LookUp
from app.reconciler.evidence import Sent, held_among, is_same_kind, is_young_enough, name_of_site
from app.reconciler.passes import Pass, trouble_of
from app.reconciler.progress import Progress

FULL_PAGE = 100


class Verdict(StrEnum):
    """Where a CloudPress order belongs that may be the one that is looked up."""

    CANDIDATE = "candidate"
    SUSPECT = "suspect"


class OrderLookUp:
    """One order's look-up, continued where the last pass left it."""

    def __init__(self, this: Pass, sent: Sent) -> None:
        """Prepare to look up; `go_on` does it."""
        self._pass = this
        self._sent = sent

    async def go_on(self) -> Progress:
        """Go on with the look-up, or begin one, for as long as the pass has time."""
        async with self._pass.dependencies.db.read() as session:
            progress = Progress.of(await session.get(LookUp, self._pass.order.id))
        self._pass.findings.look_up = progress
        progress.begin(self._sent.now)
        try:
            if await self._list(progress) and await self._see(progress):
                progress.complete()
        except CloudPressError as error:
            progress.trouble = trouble_of(error)
        return progress

    async def _list(self, progress: Progress) -> bool:
        """Read the pages that are left; tell whether all were read."""
        while progress.page is not None:
            if not self._pass.has_time():
                return False
            answer = await self._pass.list_orders(progress.page)
            found = [
                summary.id
                for summary in answer.value
                if is_same_kind(self._pass.order, summary)
                and is_young_enough(self._sent, summary, answer.date)
            ]
            known = {*progress.unseen, *progress.candidates, *progress.suspects}
            progress.unseen += [order_id for order_id in dict.fromkeys(found) if order_id not in known]
            progress.page = progress.page + 1 if len(answer.value) >= FULL_PAGE else None
        return True

    async def _see(self, progress: Progress) -> bool:
        """See one by one what was listed and nobody holds; tell whether all were seen."""
        order = self._pass.order
        async with self._pass.dependencies.db.read() as session:
            held = await held_among(session, order, progress.unseen)
        held |= {order.cloudpress_order_id} if order.cloudpress_order_id else set()
        while progress.unseen:
            order_id = progress.unseen[-1]
            if order_id not in held:
                if not self._pass.has_time():
                    return False
                match await self._verdict(order_id):
                    case Verdict.CANDIDATE:
                        progress.candidates.append(order_id)
                    case Verdict.SUSPECT:
                        progress.suspects.append(order_id)
            progress.unseen.pop()
        return True

    async def _verdict(self, order_id: str) -> Verdict | None:
        """Say whether a CloudPress order is among the candidates, the suspects, or neither."""
        order = self._pass.order
        details = await self._pass.find_order(order_id)
        if details is None:
            return Verdict.SUSPECT  # it was listed, so a 404 is a passing failure or tells nothing
        if not is_same_kind(order, details.value):
            return None
        name = await name_of_site(self._pass, details.value)
        if name is None:
            return Verdict.SUSPECT
        if name == order.site_name and details.value.variant is not None:
            return Verdict.CANDIDATE
        return Verdict.SUSPECT if resembles(name, order.site_name) else None


def resembles(name: str, other: str) -> bool:
    """Tell whether two names differ by nothing but case, spaces or truncation."""
    one, two = ("".join(text.split()).casefold() for text in (name, other))
    return one.startswith(two) or two.startswith(one)
