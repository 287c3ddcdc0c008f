"""Looks an order up in CloudPress's list, page by page and one by one, over as many passes as it takes.

Every CloudPress order of the account that nobody of ours holds and that can have been made since the first
attempt is found, whatever it tells: a candidate if all that it tells agrees, else a suspect.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.cloudpress import Answer, CloudPressError, OrderDetails, Refused
from app.cloudpress.site_names import name_of_site
from app.db.models import Order, Stranger
from app.orders.attempts import may_be_unknown
from app.orders.claims import answered_to_others, held_by_name, held_mixed_up
from app.orders.names import Tidying, resembles
from app.orders.orphans import dismissed_orphans
from app.orders.spoken import known_to_operator
from app.reconciler.callback_hints import is_about_one
from app.reconciler.canaries import Canary, doubts_of, find_canaries
from app.reconciler.evidence import (
    Sent,
    dismissed_by_others,
    held_among,
    is_told_around,
    seen_tidying,
)
from app.reconciler.passes import Pass, trouble_of
from app.reconciler.progress import Progress, kept
from app.reconciler.window import Window, spelt_among, tells_same_kind, window_of
from app.states import Doubt

# Of more than these it is not asked what each of them is: a person has to look anyway.
READ_AT_MOST = 20
# One that is listed, and cannot be read in so many looks in a row (most of an hour), may be the order.
UNSHOWN_LOOKS = 16


async def load_progress(this: Pass, sent: Sent) -> Progress:
    """Return how far the look-up of the order has come, which will be kept with whatever becomes of it."""
    if this.findings.look_up is None:
        async with this.dependencies.db.read() as session:
            this.findings.look_up = Progress.of(await kept(session, this.order.id), sent.attempt)
    return this.findings.look_up


def _is_within(window: Window, created_at: str | None) -> bool:
    return window.holds(datetime.fromisoformat(created_at) if created_at else None)


def is_grace_over(this: Pass, sent: Sent, progress: Progress) -> bool:
    """Tell whether an order has been looked for since its last attempt for as long as the grace lasts."""
    grace_seconds = this.dependencies.schedule.placement_grace_seconds
    return sent.elapsed_seconds(progress.known_since) >= grace_seconds


class OrderLookUp:
    """One order's look-up, continued where the last pass left it."""

    def __init__(self, this: Pass, sent: Sent, *, by_name: bool = False) -> None:
        """Prepare to look up; `go_on` does it. With `by_name` what surely has another name is passed over."""
        self._pass = this
        self._sent = sent
        self._by_name = by_name
        self._window = Window()
        self._dismissed: set[str] = set()
        self._has_read = False

    async def go_on(self) -> Progress:
        """Go on with the look-up, or begin one, for as long as the pass has time."""
        this, sent = self._pass, self._sent
        progress = await load_progress(this, sent)
        if progress.begun_at is None:
            async with this.dependencies.db.read() as session:
                canaries = await find_canaries(session, this.order, sent.landed)
            own = this.order.cloudpress_order_id
            if self._by_name and own is not None:
                # A list that leaves out what is held may leave out what else was made.
                canaries[own] = Canary(this.order.variant, is_earlier=False, is_later=False)
            progress.begin(sent.now.wall, late=is_grace_over(this, sent, progress), canaries=canaries)
        try:
            if await self._list(progress) and await self._see(progress):
                now = self._pass.now()
                progress.end(now.boot, now.uptime, doubts=self._doubts(progress))
        except CloudPressError as error:
            progress.trouble = trouble_of(error)
        return progress

    def _doubts(self, progress: Progress) -> list[Doubt]:
        """Say what a look-up leaves open that has seen the list whole."""
        restored = [Doubt.RESTORED] if may_be_unknown(self._sent.landed) else []
        return doubts_of(progress.canaries.values()) + restored

    async def _list(self, progress: Progress) -> bool:
        """Read the pages that are left; tell whether all were read."""
        was_listed = progress.is_listed
        while not progress.is_listed:
            if not self._pass.has_time():
                return False
            answer = await self._pass.list_orders(progress.page or 1)
            progress.turn(answer.value)
            for summary in answer.value:
                canary = progress.canaries.get(summary.id)
                if canary is not None:
                    sending_seconds = self._pass.dependencies.upstream_timeout_seconds
                    canary.look_at(self._pass.order.account_id, summary, sending_seconds=sending_seconds)
            if answer.date is not None:
                self._window = window_of(self._sent.landed, self._pass.now(), answer.date)
        if not was_listed:
            await self._sift(progress)
        return True

    async def _sift(self, progress: Progress) -> None:
        """Leave out what is explained: we hold it, it was there before, was dismissed, or is older.

        An age counts only where it is proven that we understand how CloudPress tells it.
        """
        order = self._pass.order
        window = self._window if progress.understands_ages else Window()
        found = {**dict.fromkeys(progress.unseen), **progress.listed}
        async with self._pass.dependencies.db.read() as session:
            held = await held_among(session, order, found)
            held |= await answered_to_others(session, order, found, but_dismissed=True)
            explained = await self._there_before(session, order) | set(order.settled_duplicates or ())
            explained |= await dismissed_orphans(session, order.account_id)
            if self._by_name:
                # What is suspected is told already: one that cannot be shown keeps no other from being seen.
                explained |= set(order.suspected_duplicates or ())
            held |= {order.cloudpress_order_id} if order.cloudpress_order_id else set()
            progress.listed = {it: created_at for it, created_at in found.items() if it not in held}
            progress.unseen = [
                order_id
                for order_id, created_at in progress.listed.items()
                if order_id not in explained and _is_within(window, created_at)
            ]
            if await self._may_be_taken(session, explained, window, found):
                progress.doubts.append(Doubt.TAKEN_BY_NAME)
            await self._read_what_is_compared(progress, session)

    async def _may_be_taken(
        self, session: AsyncSession, explained: set[str], window: Window, found: Mapping[str, str | None]
    ) -> bool:
        """Tell whether another order may have ours: by its name, or by an answer that CloudPress mixed up.

        No more than the other's name speaks for the one: CloudPress may have made a name unique, or cut it
        short. What an answer named for both may be ours, also where it was dismissed here, for as long as it
        is asked there whose it is.
        """
        order = self._pass.order
        asked = [it for it in found if it not in explained and _is_within(window, found[it])]
        held = await held_by_name(session, order, asked)
        is_likely = any(not name or resembles(order.site_name, name) for name in held.values())
        asked += {spelt_among(found, it) for it in self._sent.answered_ids} & found.keys()
        return is_likely or bool(await held_mixed_up(session, order, asked))

    async def _read_what_is_compared(self, progress: Progress, session: AsyncSession) -> None:
        """Read what is seen one by one is compared with, unless there is nothing to see."""
        if progress.unseen or progress.candidates:
            await seen_tidying(self._pass, session)
        if progress.unseen:
            self._dismissed = await dismissed_by_others(session, self._pass.order)
        self._has_read = True

    async def _there_before(self, session: AsyncSession, order: Order) -> set[str]:
        """Return the strangers that were seen before the first attempt that may have made an order."""
        first = next(iter(self._sent.landed), None)
        if first is None or first.strangers_before is None:
            return set()
        seen = select(Stranger.cloudpress_order_id).where(
            Stranger.account_id == order.account_id, Stranger.id <= first.strangers_before
        )
        return set(await session.scalars(seen))

    async def _see(self, progress: Progress) -> bool:
        """See one by one what may be the order; tell whether all were seen that can be."""
        if not self._by_name and len(progress.unseen) > READ_AT_MOST:
            progress.suspects += progress.unseen
            progress.unseen = []
        if not self._has_read:
            async with self._pass.dependencies.db.read() as session:
                await self._read_what_is_compared(progress, session)
        trouble, unshown, left, is_to_wait = None, list[str](), list(progress.unseen), False
        while left and not is_to_wait:
            if not self._pass.has_time():
                return False
            order_id = left.pop()
            try:
                await self._see_one(progress, order_id)
                progress.unshown.pop(order_id, None)
            except CloudPressError as error:
                if not is_about_one(error):
                    raise
                is_to_wait = bool(error.retry_after_seconds)  # the others come first the next time
                if self._is_suspected_unseen(progress, order_id):
                    progress.suspects.append(order_id)
                else:
                    # It keeps none of the others from being told, and stays unseen, behind those.
                    trouble = trouble_of(error)
                    unshown.append(order_id)
                progress.note_unshown(order_id)
            progress.unseen = [*unshown, *left]
        # Where another one is shown, a refusal is none of the account.
        is_any_shown = bool(progress.candidates or progress.suspects)
        progress.trouble = replace(trouble, status=None) if trouble and is_any_shown else trouble
        return not left and (self._by_name or not unshown)

    def _is_suspected_unseen(self, progress: Progress, order_id: str) -> bool:
        """Tell whether one that is not shown was so often enough, or an operator knows of it already."""
        is_known = order_id in (known_to_operator(self._pass.order) or ())
        return not self._by_name and (is_known or progress.unshown.get(order_id, 0) >= UNSHOWN_LOOKS)

    async def _see_one(self, progress: Progress, order_id: str) -> None:
        """See whether a CloudPress order is the one, may be, or surely is not."""
        tidying = self._pass.findings.tidying
        details = await self._pass.find_order(order_id)
        name = await self._name(details)
        # Where nothing proves that ages are told right, one that is told as made at another time, or at
        # none, may be ours all the same: a person is asked. It is not taken for ours by its name alone.
        is_told_around = details is not None and self._is_told_around(details, progress)
        is_likely = is_told_around and order_id not in self._dismissed
        if details is not None and is_likely and self._agrees(details.value, name, tidying):
            progress.candidates.append(order_id)
        elif not self._is_passed_over(name, tidying):
            progress.suspects.append(order_id)

    async def _name(self, details: Answer[OrderDetails] | None) -> str | None:
        """Return the name that is told. It was listed, so a 404 is a passing failure or tells nothing.

        Nor does a suspended site tell anything (provider page: 402), for as long as nobody pays.
        """
        try:
            return await name_of_site(details.value, self._pass.read_site) if details else None
        except Refused as error:
            if error.status not in {402, 404}:
                raise
            return None

    def _is_told_around(self, details: Answer[OrderDetails], progress: Progress) -> bool:
        return is_told_around(
            self._pass.order,
            self._sent,
            details,
            is_understood=progress.understands_ages,
            sending_seconds=self._pass.dependencies.upstream_timeout_seconds,
        )

    def _agrees(self, details: OrderDetails, name: str | None, tidying: Tidying) -> bool:
        """Tell whether all that a CloudPress order tells is as expected, and enough of it is told."""
        order = self._pass.order
        is_same_kind = tells_same_kind(details, order.account_id, order.variant)
        return (
            is_same_kind
            and details.variant is not None
            and name is not None
            and tidying.makes(order.site_name, name)
        )

    def _is_passed_over(self, name: str | None, tidying: Tidying) -> bool:
        return self._by_name and tidying.excludes(self._pass.order.site_name, name)
