"""Looks at suspected duplicates, and looks once more, hours later, for what a late request has made."""

from datetime import datetime, timedelta

from app.cloudpress import CloudPressError
from app.reconciler.callback_hints import is_about_one
from app.reconciler.evidence import Sent
from app.reconciler.looking_up import OrderLookUp, load_progress
from app.reconciler.passes import Pass, trouble_of
from app.reconciler.progress import Progress
from app.reconciler.vain_callbacks import is_over_there
from app.reconciler.window import DRIFT, spelt_as
from app.states import FINAL, LATE_LOOK_AFTER, OrderStatus, Trouble

LATE_LOOK_AGAIN = timedelta(minutes=1), timedelta(days=1)
LATE_LOOKS_IN_A_TIME = 20
"""How many more are made, at first, in as much time as has passed since the order was sent."""


async def look_beside(this: Pass, sent: Sent) -> Trouble | None:
    """Look at what is suspected and, where its time has come, for what a late request has made."""
    late_look_at = this.order.late_look_at
    try:
        trouble = await _look_at_duplicates(this)
        if (
            late_look_at is not None
            and late_look_at <= sent.now.wall
            and not _is_early(this, sent, late_look_at)
        ):
            trouble = await _look_again(this, sent, late_look_at) or trouble
    except CloudPressError as error:
        return trouble_of(error)
    return trouble


def _is_early(this: Pass, sent: Sent, late_look_at: datetime) -> bool:
    """Tell whether a clock that stepped has the late look come too early; it is put off then.

    It counts from the last attempt, by the uptime where this machine made that. What is to be looked for at
    once, because callbacks contradict each other, is looked for at once.
    """
    last = sent.landed[-1] if sent.landed else None
    if last is None or late_look_at - last.sent_at < LATE_LOOK_AFTER:
        return False
    rest = LATE_LOOK_AFTER - sent.now.since(last)
    if rest <= DRIFT:
        return False
    this.findings.late_look_again_at = sent.now.wall + rest
    return True


async def _look_at_duplicates(this: Pass) -> Trouble | None:
    """See which suspected duplicates were cancelled or have failed: nobody has to do anything about those.

    One that cannot be shown hides neither the others nor what else is looked for; what kept it is returned.
    """
    trouble: Trouble | None = None
    for order_id in this.order.suspected_duplicates or ():
        try:
            if await is_over_there(this, order_id):
                this.findings.duplicates_ended.add(order_id)
        except CloudPressError as error:
            if not is_about_one(error):
                raise
            trouble = trouble_of(error)
    return trouble


async def _look_again(this: Pass, sent: Sent, late_look_at: datetime) -> Trouble | None:
    """Look for a second order that a late request has made meanwhile.

    A look-up that was left half-way when the order was found has seen nothing of that; nor does one count
    that a clock says was begun later than now.
    """
    progress = await load_progress(this, sent)
    if progress.begun_at is not None and not late_look_at <= progress.begun_at <= sent.now.wall:
        progress.look_again()
    progress = await OrderLookUp(this, sent, by_name=True).go_on()
    if progress.has_ended:
        own = this.order.cloudpress_order_id
        found = (*progress.candidates, *progress.suspects)
        this.findings.duplicates |= {spelt_as(own, order_id) for order_id in found}
        has_seen_all = _shows_its_own(this, progress) and not progress.unseen
        this.findings.late_look_done = has_seen_all
        # A final order is tried again as all is that fails, so that a person is asked in the end.
        if not has_seen_all and (this.order.status not in FINAL or progress.trouble is None):
            this.findings.late_look_again_at = _again_at(this, sent)
    return progress.trouble


def _shows_its_own(this: Pass, progress: Progress) -> bool:
    """Tell whether the list showed what the order holds, if that has to be there.

    What was cancelled, or has failed, need not be listed any more.
    """
    own = this.order.cloudpress_order_id
    if own is None or this.order.status in {OrderStatus.CANCELLED, OrderStatus.FAILED}:
        return True
    canary = progress.canaries.get(own)
    is_in_other_letters = own.lower() in map(str.lower, (*progress.candidates, *progress.suspects))
    return is_in_other_letters or (canary is not None and canary.is_listed)


def _again_at(this: Pass, sent: Sent) -> datetime:
    """Return when a late look that did not see all is made again: the later, the longer ago it was sent."""
    last = sent.landed[-1].sent_at if sent.landed else this.order.created_at
    shortest, longest = LATE_LOOK_AGAIN
    return sent.now.wall + min(max((sent.now.wall - last) / LATE_LOOKS_IN_A_TIME, shortest), longest)
