"""Keeps what CloudPress answered in a pass: the order's id, its tasks, its site, what speaks for a double."""

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import delete, select, update

from app import cloudpress
from app.db.database import Transaction
from app.db.models import Callback, Order, Site, Task
from app.events.timeline import record
from app.events.types import EventType
from app.reconciler.looking_up import Progress

SITE_FIELDS = (
    "id",
    "name",
    "primary_domain",
    "location",
    "region",
    "package",
    "php_version",
    "domain_cname",
    "created_at",
    "updated_at",
)


@dataclass
class Findings:
    """What CloudPress answered in a pass, to be kept."""

    order: cloudpress.Answer[cloudpress.OrderDetails] | None = None
    tasks: dict[int, cloudpress.Answer[cloudpress.Task] | cloudpress.TaskRef] = field(default_factory=dict)
    site: cloudpress.Answer[cloudpress.Site] | None = None
    order_status: str | None = None
    order_id: str | None = None
    order_id_source: str | None = None
    duplicates: set[str] = field(default_factory=set)
    duplicates_ended: set[str] = field(default_factory=set)
    """Suspected ones that CloudPress has cancelled or failed to carry out."""
    hints: tuple[int, ...] = ()
    """Tasks that callbacks named, and that need not be asked about again."""
    look_up: Progress | None = None
    late_look_done: bool = False
    resolved: bool = False
    """Whether an operator's wish was done, or turned out to be impossible."""
    overruled: bool = False
    """Whether it was to place the order again whatever callbacks say."""
    cancel_accepted: bool = False
    cancel_refusal: tuple[str, ...] | None = None
    """CloudPress's words, if it refused to cancel."""

    def followed_by(self, later: "Findings") -> "Findings":
        """Return these findings of a first look with those of a second one, which outrank them."""
        return replace(
            later,
            order=later.order or self.order,
            tasks={**self.tasks, **later.tasks},
            site=later.site or self.site,
        )


async def keep(tx: Transaction, order: Order, findings: Findings) -> bool:
    """Store CloudPress's answers; tell whether the tasks or the site are seen differently now."""
    if findings.order_id is not None:
        await _hold(tx, order, findings)
    await _keep_evidence(tx, order, findings)
    if findings.order is not None:
        order.cloudpress_answer = findings.order.raw
        order.cloudpress_status = findings.order.value.status
    elif findings.order_status is not None:
        order.cloudpress_status = findings.order_status
    stored = {
        task.id: task for task in await tx.session.scalars(select(Task).where(Task.order_id == order.id))
    }
    changed = False
    for task_id, found in findings.tasks.items():
        changed |= _keep_task(tx, order, stored.get(task_id), found)
    if findings.site is not None:
        changed |= await _keep_site(tx, order, findings.site)
    return changed


async def _hold(tx: Transaction, order: Order, findings: Findings) -> None:
    """Hold a CloudPress order from now on; what was read of one held by mistake is forgotten."""
    if order.cloudpress_order_id == findings.order_id:
        return
    if order.cloudpress_order_id is not None:
        for table in (Task, Site):
            await tx.session.execute(delete(table).where(table.order_id == order.id))
    record(
        tx,
        order.id,
        EventType.IDENTIFIED,
        cloudpress_order_id=findings.order_id,
        by=findings.order_id_source,
        instead_of=order.cloudpress_order_id,
    )
    order.cloudpress_order_id = findings.order_id
    order.cloudpress_order_id_source = findings.order_id_source


async def _keep_evidence(tx: Transaction, order: Order, findings: Findings) -> None:
    if findings.look_up is not None:
        await findings.look_up.save(tx, order)
    if findings.late_look_done:
        order.late_look_at = None
    if findings.resolved:
        order.resolution = None
    if findings.hints:
        checked = update(Callback).where(
            Callback.order_id == order.id, Callback.task_id.in_(findings.hints), Callback.checked_at.is_(None)
        )
        await tx.session.execute(checked.values(checked_at=tx.now))
    if findings.overruled:
        overruled = update(Callback).where(Callback.order_id == order.id)
        await tx.session.execute(overruled.values(overruled_at=tx.now))
    _keep_duplicates(tx, order, findings)


def _keep_duplicates(tx: Transaction, order: Order, findings: Findings) -> None:
    known = set(order.suspected_duplicates or ())
    new = findings.duplicates - known - {order.cloudpress_order_id or ""}
    ended = known & findings.duplicates_ended
    for order_id in sorted(new):
        record(tx, order.id, EventType.DUPLICATE_SUSPECTED, cloudpress_order_id=order_id)
    for order_id in sorted(ended):
        record(tx, order.id, EventType.DUPLICATE_ENDED, cloudpress_order_id=order_id)
    if new or ended:
        order.suspected_duplicates = sorted((known | new) - ended) or None
        order.settled_duplicates = sorted({*(order.settled_duplicates or ()), *ended}) or None


def _keep_task(
    tx: Transaction,
    order: Order,
    stored: Task | None,
    found: cloudpress.Answer[cloudpress.Task] | cloudpress.TaskRef,
) -> bool:
    seen = found.value if isinstance(found, cloudpress.Answer) else found
    task, former_status = stored, stored.status if stored else None
    if task is None:
        task = Task(order_id=order.id, id=seen.id, status=seen.status)
        tx.session.add(task)
    before = (task.status, task.name, task.title, task.started_at, task.ended_at)
    task.status = seen.status
    if isinstance(found, cloudpress.Answer):
        task.name = found.value.name
        task.title = found.value.title
        task.started_at = found.value.start_on
        task.ended_at = found.value.end_on
        task.answer = found.raw
    after = (task.status, task.name, task.title, task.started_at, task.ended_at)
    changed = stored is None or before != after
    if changed:
        record(tx, order.id, EventType.TASK_CHANGED, task_id=task.id, before=former_status, after=task.status)
    return changed


async def _keep_site(tx: Transaction, order: Order, found: cloudpress.Answer[cloudpress.Site]) -> bool:
    details = site_details(found.value)
    password = found.value.ssh.password if found.value.ssh else None
    site = await tx.session.get(Site, order.id, populate_existing=True)
    changed = site is None or site.details != details
    if site is None:
        site = Site(order_id=order.id)
        tx.session.add(site)
    site.id = found.value.id
    site.details = details
    site.ssh_password = password.get_secret_value().encode() if password else None
    site.answer = found.raw
    site.read_at = tx.now
    if changed:
        record(tx, order.id, EventType.SITE_CHANGED, site_id=site.id)
    return changed


def site_details(site: cloudpress.Site) -> dict[str, Any]:
    """Return what the API shows of a site: an allow-list, without the password."""
    shown = site.model_dump(mode="json", include=set(SITE_FIELDS))
    ssh = site.ssh
    shown["ssh"] = (
        {"ipaddr": ssh.ipaddr, "username": ssh.username, "port": ssh.port} if ssh is not None else None
    )
    return {name: shown[name] for name in (*SITE_FIELDS, "ssh")}
