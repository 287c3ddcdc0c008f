"""What an order's callbacks name: the tasks they speak of, and which CloudPress orders those lead to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto

from app.cloudpress import Answer, BadAnswer, CloudPressError, NoAnswer, NotFound, OrderDetails, Refused
from app.cloudpress.site_names import name_of_site
from app.db.lasting import Met, Span, lasted
from app.orders.names import resembles
from app.reconciler.evidence import Hint, Sent, is_young_enough, seen_tidying
from app.reconciler.passes import Pass
from app.reconciler.window import spelt_as, tells_same_kind
from app.states import FINAL, MISSING_ATTENTION_SECONDS

# A 404 is not final: what a callback names may be shown later. After a day it is given up.
HINT_LIFETIME = timedelta(seconds=MISSING_ATTENTION_SECONDS)


class Agreement(Enum):
    """What a CloudPress order that a callback named tells of being the order's own."""

    FULL = auto()
    UNTOLD = auto()
    """Nothing differs, but its name, which would tell ours from another's, is not told yet."""
    UNREAD = auto()
    """The same, for the site that would tell it could not be read."""
    ALIKE = auto()
    """Nothing differs but its name, which may be what CloudPress has made of the one that was sent."""
    NONE = auto()


@dataclass(frozen=True)
class Named:
    """The CloudPress orders that callbacks speak for."""

    order_ids: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    """Those of which nothing differs, and that do not tell their name yet."""
    suspects: tuple[str, ...] = ()
    """Those of which something does not agree."""
    alike: tuple[str, ...] = ()
    """Those of them of which nothing differs but a name that may be what was made of ours."""
    of_tasks: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """The tasks of which all is known that will be, and which CloudPress orders each of them belongs to; none
    where it was not shown for a day."""
    is_complete: bool = True
    """Whether that is so for all that callbacks named."""
    error: CloudPressError | None = None
    """Why some of their tasks could not be read."""
    is_unread_young: bool = False
    """Whether one of a callback that speaks could not be read, and that for less than a day."""
    may_be_told_soon: bool = False
    """Whether one was not shown, or could not be read, and that for less than the grace period."""

    @property
    def settled(self) -> tuple[int, ...]:
        """The tasks that need not be asked about again."""
        return tuple(self.of_tasks)

    @property
    def possible(self) -> tuple[str, ...]:
        """Those of which nothing differs."""
        return (*self.order_ids, *self.untold)

    @property
    def never_told(self) -> tuple[str, ...]:
        """Those whose name is not waited for any more."""
        ended = {order_id for order_ids in self.of_tasks.values() for order_id in order_ids}
        return tuple(order_id for order_id in self.untold if order_id in ended)


@dataclass
class _Read:
    """What was read of the tasks that callbacks named."""

    error: CloudPressError | None = None
    of_tasks: dict[int, tuple[str, ...]] = field(default_factory=dict)
    agreeing: dict[str, Agreement] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)
    """Those that could not be read."""
    untold: set[int] = field(default_factory=set)
    """Those that were read, or are not shown, and of which all is not known that will be."""
    shown: set[int] = field(default_factory=set)
    """Those of which nothing is missing but a name that CloudPress does not tell yet."""

    def those(self, *agreements: Agreement) -> tuple[str, ...]:
        """Return the CloudPress orders that agree so."""
        return tuple(order_id for order_id, it in self.agreeing.items() if it in agreements)


async def named_by_callbacks(this: Pass, sent: Sent, *, as_sent: bool = False) -> Named:
    """Return the CloudPress orders that tasks named by the order's own callbacks belong to.

    Whoever knows a callback's secret chooses its body, so the account, the variant, the name and the age
    have to agree. Those that do not are suspects. With `as_sent` a name agrees that is told as it was sent,
    also where nobody knows what CloudPress does to names: two that have each other's show nothing of it.
    """
    read = await _read_tasks(this, sent, as_sent=as_sent)
    _note_met(this, sent, read)
    speaking = [hint for hint in sent.hints if hint.task_id in sent.speaking]
    known = {*read.shown, *read.of_tasks}
    return Named(
        read.those(Agreement.FULL),
        read.those(Agreement.UNTOLD, Agreement.UNREAD),
        read.those(Agreement.ALIKE, Agreement.NONE),
        read.those(Agreement.ALIKE),
        read.of_tasks,
        len(read.of_tasks) == len(sent.hints),
        read.error,
        is_unread_young=any(
            hint.task_id not in known | read.untold and not _lasts(hint.unread_since, sent)
            for hint in speaking
        ),
        may_be_told_soon=any(
            hint.task_id not in known and is_fresh(this, hint.unread_since) for hint in speaking
        ),
    )


async def _read_tasks(this: Pass, sent: Sent, *, as_sent: bool) -> _Read:
    """Read the tasks one by one. One that cannot be read hides no other one."""
    read = _Read()
    for number, hint in enumerate(sent.hints):
        task_id = hint.task_id
        try:
            found, is_whole = await _orders_of_task(this, sent, task_id, as_sent=as_sent)
        except CloudPressError as failed:
            if await _is_given_up(this, sent, hint, failed):
                read.of_tasks[task_id] = ()
                continue
            read.unread.add(task_id)
            # What is asked about one that an operator has overruled stands in nobody's way.
            if task_id in sent.speaking or not may_go_on(this, failed):
                read.error = read.error or failed
            if is_about_one(failed):
                continue
            # A second one that is not answered in time would leave none for what is held. So those that come
            # after it are not read either, which counts where they were not before.
            read.unread |= {it.task_id for it in sent.hints[number:] if it.unread_since}
            break
        _keep_found(sent, hint, found, read, is_whole=is_whole)
    return read


def _keep_found(sent: Sent, hint: Hint, found: dict[str, Agreement], read: _Read, *, is_whole: bool) -> None:
    for order_id, agreement in found.items():
        # Two tasks may name one order: what speaks against it most counts, whichever of them tells it.
        before = read.agreeing.get(order_id)
        if before not in {Agreement.NONE, Agreement.ALIKE} or agreement is Agreement.NONE:
            read.agreeing[order_id] = agreement
    told = {*found.values()} if is_whole else {*found.values(), Agreement.UNREAD}
    if Agreement.UNREAD not in told:
        read.shown.add(hint.task_id)
    if _lasts(hint.untold_since, sent) or told.isdisjoint({Agreement.UNTOLD, Agreement.UNREAD}):
        read.of_tasks[hint.task_id] = tuple(found)
    else:
        read.untold.add(hint.task_id)


def _lasts(met: Met | None, sent: Sent) -> bool:
    return lasted(met, sent.now, Span.HOURS) >= HINT_LIFETIME


def is_fresh(this: Pass, unread_since: Met | None) -> bool:
    """Tell whether that a task cannot be read, or is not shown, lasts for less than the grace period."""
    grace = timedelta(seconds=this.dependencies.schedule.placement_grace_seconds)
    return lasted(unread_since, this.now(), Span.MINUTES) < grace


def _note_met(this: Pass, sent: Sent, read: _Read) -> None:
    """Have the pass keep what could not be read, or has not told all, and what is shown by now."""
    known = {*read.shown, *read.of_tasks}
    this.findings.unread_hints = (read.unread | read.untold) - known
    this.findings.untold_hints = set(read.untold)
    this.findings.read_hints = {it.task_id for it in sent.hints if it.unread_since and it.task_id in known}


def may_go_on(this: Pass, error: CloudPressError) -> bool:
    """Tell whether something else may be asked in the same pass after a request that failed so.

    One that was not answered in time takes much of what a pass has.
    """
    return is_about_one(error) or (isinstance(error, NoAnswer) and this.has_time())


def is_about_one(error: CloudPressError) -> bool:
    """Tell whether CloudPress may answer otherwise when it is asked about something else at once."""
    return isinstance(error, BadAnswer) or (isinstance(error, Refused) and error.status not in {401, 429})


async def _is_given_up(this: Pass, sent: Sent, hint: Hint, error: CloudPressError) -> bool:
    """Tell whether a task of a final order's callback is refused for good, as one that is never shown.

    Only where CloudPress itself refuses it, and shows what the order holds: else it may refuse the account.
    """
    order, held = this.order, this.order.cloudpress_order_id
    is_refused = isinstance(error, Refused) and error.is_own_form and error.status in {402, 403}
    if held is None or not (is_refused and order.status in FINAL and _lasts(hint.unread_since, sent)):
        return False
    try:
        return await this.find_order(held) is not None
    except CloudPressError:
        return False


async def _orders_of_task(
    this: Pass, sent: Sent, task_id: int, *, as_sent: bool
) -> tuple[dict[str, Agreement], bool]:
    """Return a task's orders, and which agree, and whether these are all.

    A 404, which is not final, hides the task or one of them; one that names no order may do so soon.
    """
    try:
        task = await this.read_task(task_id)
    except NotFound:
        return {}, False
    own = this.order.cloudpress_order_id
    named = [spelt_as(own, order_id) for order_id in task.value.order_ids]
    if own in named:
        # It is the order's from now on, listed or not: so it is remembered that its own was named.
        this.findings.tasks[task_id] = task
    is_of_account = not task.value.account_ids or this.order.account_id in task.value.account_ids
    agreeing, is_whole = {}, bool(named)
    for named_id in named:
        if named_id == own:
            agreeing[named_id] = Agreement.FULL
            continue
        details = await this.find_order(named_id)
        if details is None:
            is_whole = False
            continue
        order_id = spelt_as(details.value.id, named_id)
        if is_of_account:
            agreeing[order_id] = await _agreement(this, sent, details, as_sent=as_sent)
        else:
            agreeing[order_id] = Agreement.NONE
    return agreeing, is_whole


async def _agreement(this: Pass, sent: Sent, details: Answer[OrderDetails], *, as_sent: bool) -> Agreement:
    order, told = this.order, details.value
    if not tells_same_kind(told, order.account_id, order.variant) or not is_young_enough(
        order, sent, details, at_earliest=True
    ):
        return Agreement.NONE
    try:
        name = await name_of_site(told, this.read_site)
    except CloudPressError as error:
        if not is_about_one(error):
            raise
        return Agreement.UNREAD
    if name is None:
        # All that are as young look like that: it may be another's, whose site is to be linked and named yet.
        return Agreement.UNTOLD
    is_as_sent = as_sent and name == order.site_name
    if is_as_sent or (await seen_tidying(this)).makes(order.site_name, name):
        return Agreement.FULL
    return Agreement.ALIKE if resembles(order.site_name, name) else Agreement.NONE
