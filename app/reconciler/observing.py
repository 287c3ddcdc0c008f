"""Observes a placed order: the order, its tasks and its site, as CloudPress shows them now."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy import select

from app.cloudpress import Answer, CloudPressError, NotFound, TaskRef
from app.cloudpress.protocol import Provider
from app.db.models import Order, Task
from app.queue.leases import Claim
from app.reconciler.dependencies import Dependencies, time_left_seconds, trouble_of
from app.reconciler.findings import Findings
from app.states import (
    Seen,
    Trouble,
    is_done,
    is_known_order_status,
    is_known_task_status,
)

T = TypeVar("T")
log = structlog.get_logger()


class Observer:
    """One look at an order. What was answered before a request failed is kept."""

    def __init__(self, dependencies: Dependencies, claim: Claim[Order], provider: Provider) -> None:
        """Prepare to look; `look` does it."""
        self._dependencies = dependencies
        self._claim = claim
        self._provider = provider
        self._missing = False
        self._trouble: Trouble | None = None
        self.findings = Findings()

    async def look(self, cloudpress_order_id: str) -> Seen:
        """Ask for the order, then for its tasks, then, once CloudPress is done, for the site."""
        found = self.findings
        found.order = await self._ask(lambda t: self._provider.order(cloudpress_order_id, timeout_seconds=t))
        listed = {task.id: task for task in found.order.value.tasks} if found.order else {}
        for task_id in sorted(listed.keys() | await self._known_task_ids()):
            answer = await self._ask(lambda t, i=task_id: self._provider.task(i, timeout_seconds=t))  # type: ignore[misc]
            task = answer or listed.get(task_id)
            if task is not None:
                found.tasks[task_id] = task
        site_id = self._site_id()
        own_status = found.order.value.status if found.order else None
        if site_id is not None and is_done(own_status, self._statuses()):
            found.site = await self._ask(lambda t: self._provider.site(site_id, timeout_seconds=t))
        return self._seen()

    async def _known_task_ids(self) -> set[int]:
        async with self._dependencies.db.read() as session:
            known = select(Task.id).where(Task.order_id == self._claim.row.id)
            return set(await session.scalars(known))

    async def _ask(self, request: Callable[[float], Awaitable[Answer[T]]]) -> Answer[T] | None:
        """Make a request, unless an earlier one has shown that CloudPress cannot be asked now."""
        if self._trouble is not None:
            return None
        try:
            return await request(time_left_seconds(self._dependencies, self._claim))
        except NotFound:
            self._missing = True
        except CloudPressError as error:
            self._trouble = trouble_of(error)
        except ValueError:
            # An id that CloudPress gave cannot be asked for.
            self._trouble = Trouble("unusable_id")
        return None

    def _statuses(self) -> tuple[str, ...]:
        return tuple(
            task.status if isinstance(task, TaskRef) else task.value.status
            for task in self.findings.tasks.values()
        )

    def _site_id(self) -> str | None:
        for task in self.findings.tasks.values():
            if isinstance(task, Answer) and task.value.site_ids:
                return task.value.site_ids[0]
        order = self.findings.order
        return order.value.site.id if order and order.value.site else None

    def _seen(self) -> Seen:
        order = self.findings.order.value if self.findings.order else None
        for status in self._statuses():
            if not is_known_task_status(status):
                log.warning("unknown_status", order=str(self._claim.row.id), of="task", status=status)
        if order is not None and order.status is not None and not is_known_order_status(order.status):
            log.warning("unknown_status", order=str(self._claim.row.id), of="order", status=order.status)
        return Seen(
            order_status=(order.status or "") if order else None,
            tasks=self._statuses(),
            payment_url=order.payment_url if order else None,
            site_read=self.findings.site is not None,
            missing=self._missing,
            trouble=self._trouble,
        )
