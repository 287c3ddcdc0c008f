"""How a request to place an order ended: recorded whatever happens, since an answer is worth money."""

import asyncio
from dataclasses import dataclass, replace
from itertools import takewhile

import structlog
from sqlalchemy.exc import DBAPIError

from app.cloudpress import Answer, Placed, TaskRef
from app.db.errors import DATABASE_AWAY, sqlstate_of
from app.events.timeline import record
from app.events.types import EventType
from app.orders.changing import changing
from app.orders.waking import make_due
from app.reconciler.concluding import apply
from app.reconciler.evidence import ANSWER
from app.reconciler.intents import Intent, asked_to_place_again_at
from app.reconciler.keeping_tasks import keep_tasks
from app.reconciler.passes import Pass, PassResult
from app.reconciler.writing import Held
from app.states import PostEnded, PostOutcome, Trouble

RECORD_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)
RECORD_TRIES = 120

log = structlog.get_logger()


@dataclass(frozen=True)
class Posted:
    """How a request to place an order ended."""

    ended: PostEnded
    answer: Answer[Placed] | None = None
    is_doubted: bool = False
    """Whether another order was taken for what the answer names, which CloudPress did not answer it with."""

    @property
    def cloudpress_order_id(self) -> str | None:
        """The id that CloudPress answered with."""
        return self.answer.value.order_id if self.answer else None

    @property
    def task(self) -> TaskRef | None:
        """The task that it answered with."""
        return self.answer.value.task if self.answer else None

    def bare(self) -> "Posted":
        """Return the same without any text of CloudPress's but the order's id; the raw answer holds all."""
        answer = self.answer and replace(self.answer, value=Placed(order_id=self.answer.value.order_id))
        ended = replace(self.ended, reasons=(), order_status=None, task_status=None, payment_url=None)
        return replace(self, ended=ended, answer=answer)


async def record_for_sure(this: Pass, intent: Intent, posted: Posted) -> PassResult | None:
    """Record how a request ended, trying again while the database is away: the answer is worth money.

    No text in it may undo that: where the database refuses the whole it gets the bare answer.
    """
    is_bare = False
    for tried in range(RECORD_TRIES):
        try:
            return await record_end(this, intent, posted)
        except DATABASE_AWAY as error:
            this.dependencies.db.outages.note(error)
            if tried in {0, RECORD_TRIES - 1}:
                log.error(
                    "answer_not_recorded",
                    order=str(this.order.id),
                    cloudpress_order=posted.cloudpress_order_id,
                    outcome=posted.ended.outcome,
                    is_given_up=tried > 0,
                )
            await asyncio.sleep(RECORD_RETRY_SECONDS[min(tried, len(RECORD_RETRY_SECONDS) - 1)])
        except DBAPIError as error:
            if is_bare:
                raise
            log.error("answer_recorded_bare", order=str(this.order.id), sqlstate=sqlstate_of(error))
            posted, is_bare = posted.bare(), True
    return None


async def record_end(this: Pass, intent: Intent, posted: Posted) -> PassResult | None:
    """Write the answer to its placement, lease or no lease; change the order only under the lease."""
    named = posted.cloudpress_order_id
    return await this.write(
        lambda held: _write_answer(this, held, intent, posted),
        is_fenced=False,
        named=() if named is None else (named,),
    )


async def _write_answer(this: Pass, held: Held, intent: Intent, posted: Posted) -> PassResult | None:
    order = held.order
    posted = await _unless_held_by_another(held, posted)
    await _write_placement(held, intent, posted)
    if order.lease_token != this.claim.token:
        make_due(held.tx, order)
        await _keep_task_of_held(held, posted)
        return None
    _find(held, posted)
    # It may have been looked for between one attempt and the next: that is no reason to try more often.
    order.failures = max(order.failures, await _unsent_before(held, intent))
    return await apply(this, held, "place", posted.ended)


async def _unless_held_by_another(held: Held, posted: Posted) -> Posted:
    """Distrust an answer that names a CloudPress order which another order has, or was answered with.

    It may be this one all the same, however that one got it: the answer is kept, and a person is asked. Where
    its own answer named it too, one of the two answers is wrong, and nobody knows which: whoever comes to
    have it is asked, and is not sent to pay for it before.
    """
    named, order, loaded = posted.cloudpress_order_id, held.order, held.loaded
    if named is None:
        return posted
    if not (await loaded.is_held_by_another(order, named) or await loaded.is_named_to_another(order, named)):
        return posted
    log.error("answered_with_anothers_order", order=str(order.id), cloudpress_order=named)
    ended = PostEnded(PostOutcome.UNKNOWN, posted.ended.first, trouble=Trouble("anothers_order"))
    return replace(posted, ended=ended, is_doubted=True)


async def _write_placement(held: Held, intent: Intent, posted: Posted) -> None:
    tx, order = held.tx, held.order
    attempts = await held.loaded.placements(order.id)
    placement = next(attempt for attempt in attempts if attempt.attempt == intent.attempt)
    placement.outcome = posted.ended.outcome
    placement.answered_at = tx.now
    placement.http_status = posted.ended.trouble.status if posted.ended.trouble else None
    placement.reasons = list(posted.ended.reasons)
    placement.cloudpress_order_id = posted.cloudpress_order_id
    placement.answer = posted.answer.raw if posted.answer else None
    if posted.cloudpress_order_id is not None:
        held.loaded.note_answer(order, posted.cloudpress_order_id)
    record(
        tx,
        order.id,
        EventType.PLACEMENT_ENDED,
        attempt=intent.attempt,
        outcome=posted.ended.outcome,
        status=placement.http_status,
        reasons=placement.reasons,
        cloudpress_order_id=posted.cloudpress_order_id,
        task_id=posted.task.id if posted.task else None,
    )


async def _keep_task_of_held(held: Held, posted: Posted) -> None:
    """Keep the task of a late answer that names what the order holds by now: it may say whose that is."""
    order, task = held.order, posted.task
    if task is None or order.cloudpress_order_id != posted.cloudpress_order_id:
        return
    if any(each.id == task.id for each in await held.loaded.tasks(order.id)):
        return
    held.findings.tasks = {task.id: task}
    async with changing(held.tx, order, action="late_answer", view=held.loaded.view) as change:
        change.shows_more = await keep_tasks(held)


async def _unsent_before(held: Held, intent: Intent) -> int:
    """Return how many attempts in a row, right before this one, CloudPress took nothing of.

    Those of before an operator's word say nothing of what comes of that.
    """
    since = asked_to_place_again_at(held.order)
    earlier = [
        it
        for it in await held.loaded.placements(held.order.id)
        if it.attempt < intent.attempt and (since is None or it.sent_at >= since)
    ]
    unsent = takewhile(lambda it: it.outcome in {PostOutcome.NOT_SENT, PostOutcome.HELD_OFF}, earlier[::-1])
    return len(list(unsent))


def _find(held: Held, posted: Posted) -> None:
    """Find what an answer tells of the order."""
    if posted.answer is None or posted.is_doubted:
        return
    placed, findings = posted.answer.value, held.findings
    findings.order_id, findings.order_id_source = placed.order_id, ANSWER
    findings.order_status = placed.order_status
    findings.tasks = {placed.task.id: placed.task} if placed.task else {}
