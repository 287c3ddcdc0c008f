"""Observes a placed order: the order, its tasks and its site, as CloudPress shows them now."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy import select

from app.cloudpress import Answer, CloudPressError, NotFound, OrderDetails, Site, TaskRef
from app.cloudpress import Task as CloudPressTask
from app.db.models import Task
from app.reconciler.disowning import settled_by_operator, tells_as_anothers
from app.reconciler.passes import Pass, trouble_of
from app.reconciler.window import spelt_as
from app.states import (
    Seen,
    Trouble,
    is_done,
    is_known_order_status,
    is_known_task_status,
)

T = TypeVar("T")
log = structlog.get_logger()
UNUSABLE_ID = "unusable_id"
"""Why nothing was asked about an id that cannot be part of a request."""


class Observer:
    """One look at an order. What was answered before a request failed is found all the same."""

    def __init__(self, this: Pass) -> None:
        """Prepare to look; `look` does it."""
        self._pass = this
        self.disowned_for = set[str]()
        """Other CloudPress orders, which tasks name that its own callback or its answer named."""
        self.unshown_tasks = set[int]()
        """Those that its own callbacks named, and that are not shown, so that they may name another one."""
        self._answered_for = set[str]()
        self._missing = False
        self._foreign = False
        self._trouble: Trouble | None = None
        self._order: OrderDetails | None = None
        self._tasks: dict[int, Answer[CloudPressTask] | TaskRef] = {}

    @property
    def may_be_anothers(self) -> bool:
        """Whether the order is not shown, and what its answer named with it names another one."""
        return bool(self._answered_for)

    async def look(self, cloudpress_order_id: str) -> Seen:
        """Ask for the order, then for its tasks, then, once CloudPress is done, for the site."""
        found = self._pass.findings
        order = await self._ask(lambda: self._pass.read_order(cloudpress_order_id))
        if order is not None:
            found.order, self._order = order, order.value
        await self._look_at_tasks(cloudpress_order_id)
        site_id = self._site_id()
        site = None
        if site_id is not None and is_done(self._order.status if self._order else None, self._statuses()):
            site = await self._ask(lambda: self._pass.read_site(site_id))
            found.site = site or found.site
        self._note_alike(site)
        return self._seen(site_read=site is not None)

    def _note_alike(self, site: Answer[Site] | None) -> None:
        """Note that callbacks name one that may be this order, where what it holds has a name of its own.

        While that is not told, the callbacks are asked about anew: no site is linked at first.
        """
        found, linked = self._pass.findings, self._order.site if self._order is not None else None
        if not found.alike:
            return
        name = site.value.name if site is not None else linked.name if linked is not None else None
        if name is None:
            found.hints = ()
        elif tells_as_anothers(self._pass, name):
            self.disowned_for |= found.alike

    async def _look_at_tasks(self, cloudpress_order_id: str) -> None:
        listed = {task.id: task for task in self._order.tasks} if self._order else {}
        for task_id in sorted(listed.keys() | self._known_task_ids(cloudpress_order_id)):
            answer = await self._ask(lambda it=task_id: self._pass.read_task(it))  # type: ignore[misc]
            if answer is None and self._trouble is None and self._is_yet_to_be_shown(task_id):
                self.unshown_tasks.add(task_id)
            if answer is not None and not await self._is_linked(
                task_id, answer.value, cloudpress_order_id, is_listed=task_id in listed
            ):
                self._pass.findings.foreign_tasks.add(task_id)
                log.warning("task_of_another_order", order=str(self._pass.order.id), task=task_id)
                continue
            if answer is not None and self._was_unread(task_id):
                self._pass.findings.read_hints.add(task_id)
            task = answer or listed.get(task_id)
            if task is not None:
                self._tasks[task_id] = self._pass.findings.tasks[task_id] = task
        self._heed_answer()

    def _heed_answer(self) -> None:
        """Heed what a task of the answer says of an order that is not shown, though another task of it is.

        Where nothing of it is shown, CloudPress may have lost it, and given the number to another's task. So
        nobody is asked whose it is, but nothing is cancelled that may be another's, nor taken for cancelled.
        """
        if self._tasks and self._answered_for:
            self.disowned_for |= self._answered_for
            self._foreign = True

    async def _is_linked(
        self, task_id: int, task: CloudPressTask, cloudpress_order_id: str, *, is_listed: bool
    ) -> bool:
        """Tell whether a task is the order's: it names it, or names none and nothing speaks against it.

        A number that is remembered may have been given anew, to another order's task.
        """
        named = {spelt_as(cloudpress_order_id, order_id) for order_id in task.order_ids}
        if cloudpress_order_id in named:
            return True
        if named or await self._is_anothers(task_id):
            may_be_answered = bool(named) and not is_listed
            self._foreign |= is_listed | self._speaks(task_id, named, may_be_answered=may_be_answered)
            return False
        # An order that CloudPress does not show has no task that does not name it.
        return is_listed or self._order is not None

    def _known_task_ids(self, cloudpress_order_id: str) -> frozenset[int]:
        """Return the tasks that are known of the CloudPress order that is held, and of no other."""
        this = self._pass
        return this.known.task_ids if this.order.cloudpress_order_id == cloudpress_order_id else frozenset()

    def _has_called_back(self, task_id: int) -> bool:
        return any(callback.task_id == task_id for callback in self._pass.known.speaking)

    def _has_called_back_for_others(self) -> bool:
        """Tell whether a callback has led to something that is not the order's, so that it stays told."""
        own = self._pass.known.own_task_ids | self._pass.findings.read_tasks
        return any(it.checked_at is not None and it.task_id not in own for it in self._pass.known.speaking)

    def _is_yet_to_be_shown(self, task_id: int) -> bool:
        return self._has_called_back(task_id) and task_id not in self._pass.known.own_task_ids

    def _speaks(self, task_id: int, named: set[str], *, may_be_answered: bool) -> bool:
        """Tell whether a task that is not of what is held says that the order is another one.

        One that is only remembered may have been given anew. But where the order's own callback named it, or
        its answer did and it was never read as the order's own, what is held may be another's. An own
        callback for what is held says more than what an answer named.
        """
        this, left = self._pass, named - settled_by_operator(self._pass)
        is_answered = may_be_answered and task_id in this.known.unread_task_ids
        if is_answered and this.findings.is_own_called_back:
            this.findings.refuted |= set() if self._has_called_back_for_others() else left
            is_answered = False
        if is_answered and self._order is None:
            self._answered_for |= left
            is_answered = False
        if is_answered and not self._has_called_back(task_id):
            this.findings.by_task |= left - this.findings.duplicates
        speaks = bool(left or not named) and (is_answered or self._has_called_back(task_id))
        self.disowned_for |= left if speaks else set()
        return speaks

    def _was_unread(self, task_id: int) -> bool:
        return any(it.task_id == task_id and it.unread_since for it in self._pass.known.callbacks)

    async def _is_anothers(self, task_id: int) -> bool:
        """Tell whether a task is known as that of another order of ours."""
        known = select(Task.id).where(Task.id == task_id, Task.order_id != self._pass.order.id).limit(1)
        async with self._pass.dependencies.db.read() as session:
            return (await session.execute(known)).first() is not None

    async def _ask(self, request: Callable[[], Awaitable[Answer[T]]]) -> Answer[T] | None:
        """Make a request, unless an earlier one has shown that CloudPress cannot be asked now."""
        if self._trouble is not None:
            return None
        try:
            return await request()
        except NotFound:
            self._missing = True
        except CloudPressError as error:
            self._trouble = trouble_of(error)
        except ValueError:
            # An id that CloudPress gave cannot be asked for.
            self._trouble = Trouble(UNUSABLE_ID)
        return None

    def _statuses(self) -> tuple[str, ...]:
        return tuple(
            task.status if isinstance(task, TaskRef) else task.value.status for task in self._tasks.values()
        )

    def _site_id(self) -> str | None:
        """Return the site that order and tasks link; None where they contradict each other."""
        tasks = [task.value for task in self._tasks.values() if isinstance(task, Answer)]
        by_tasks = [site_id for task in tasks for site_id in task.site_ids]
        own = self._order.site.id if self._order and self._order.site else None
        if own not in by_tasks and len({own, *by_tasks} - {None}) > 1:
            # Of two that only tasks name, one may be where a site is migrated from, which is another's.
            self._foreign = True
        if self._foreign:
            return None
        return own or next(iter(by_tasks), None)

    def _seen(self, *, site_read: bool) -> Seen:
        order = self._order
        for status in self._statuses():
            if not is_known_task_status(status):
                log.warning("unknown_status", order=str(self._pass.order.id), of="task", status=status)
        if order is not None and order.status is not None and not is_known_order_status(order.status):
            log.warning("unknown_status", order=str(self._pass.order.id), of="order", status=order.status)
        return Seen(
            order_status=(order.status or "") if order else None,
            tasks=self._statuses(),
            payment_url=order.payment_url if order else None,
            odd_payment_url=order is not None and order.asks_for_payment and order.payment_url is None,
            site_read=site_read,
            missing=self._missing,
            foreign=self._foreign,
            trouble=self._trouble,
        )
