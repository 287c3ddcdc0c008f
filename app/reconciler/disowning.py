"""What an order holds is another's, as far as a task says that its own callback or its answer named."""

from collections.abc import Collection
from dataclasses import replace

from app.cloudpress import CloudPressError
from app.cloudpress.site_names import name_of_site
from app.orders.names import resembles
from app.reconciler.asking_others import have_others_asked
from app.reconciler.passes import Pass, trouble_of
from app.reconciler.window import spelt_as
from app.states import Rechecked, Trouble


def settled_by_operator(this: Pass) -> set[str]:
    """Return what an operator has said is not this order, and CloudPress itself has not named since."""
    return set(this.order.settled_duplicates or ()) - this.findings.named_anew


def tells_as_anothers(this: Pass, name: str | None) -> bool:
    """Tell whether a name that is told is none that CloudPress may have made of the order's."""
    return name is not None and not resembles(this.order.site_name, name)


async def disowned_after_its_end(this: Pass, rechecked: Rechecked) -> Rechecked:
    """Return what the task of an answer says of an order that has ended, if it could not be read before.

    One that cannot be read now is when the order is looked at the next time: nothing waits for that.
    """
    own, named = this.order.cloudpress_order_id, set[str]()
    if own is None or rechecked.mixed_up or this.findings.is_own_called_back:
        return rechecked
    for task_id in sorted(this.known.unread_task_ids):
        try:
            task = await this.read_task(task_id)
        except CloudPressError:
            break
        order_ids = {spelt_as(own, order_id) for order_id in task.value.order_ids}
        if own in order_ids:
            this.findings.tasks[task_id] = task
        else:
            named |= order_ids
    named -= settled_by_operator(this)
    if this.findings.alike:
        try:
            details = await this.find_order(own)
            name = await name_of_site(details.value, this.read_site) if details is not None else None
        except CloudPressError as error:
            this.findings.hints = ()
            return replace(rechecked, open_hints=True, trouble=rechecked.trouble or trouble_of(error))
        named |= this.findings.alike if tells_as_anothers(this, name) else set()
    return await disowned(this, rechecked, named, None) if named else rechecked


async def disowned(
    this: Pass, rechecked: Rechecked, named: Collection[str], trouble: Trouble | None
) -> Rechecked:
    """Return that what an order holds may be mixed up with those, and take nothing of what was seen of it.

    It is the same as where a callback is the first to say so: nothing is cancelled, handed out or explained
    by what may be another's, until the own callback has come or an operator has spoken.
    """
    findings = this.findings
    findings.site, findings.hints, findings.is_its_own = None, (), False
    findings.mixed_up |= set(named)
    findings.duplicates |= set(named)
    await have_others_asked(this, named)
    return replace(rechecked, mixed_up=tuple(sorted(findings.mixed_up)), trouble=rechecked.trouble or trouble)
