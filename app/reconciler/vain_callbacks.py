"""Whether CloudPress calls back for what it never had, or for what has ended without it."""

from app.cloudpress import CloudPressError, OrderDetails
from app.orders.shown import is_failed_by_operator, was_gone
from app.reconciler.callback_hints import Named
from app.reconciler.evidence import Sent
from app.reconciler.passes import Pass
from app.states import is_over


async def is_called_back_in_vain(this: Pass, sent: Sent, called_back: Named) -> bool:
    """Tell whether CloudPress calls back for what it never had, or goes on with what ended without it.

    Raises:
        CloudPressError: it does not tell whether it shows again what it did not for some minutes.
    """
    order_id = this.order.cloudpress_order_id
    if order_id is None:
        return _leads_nowhere(this, sent, called_back)
    if not this.known.speaking:
        return False
    if was_gone(this.order):
        details = await this.find_order(order_id)
        return details is not None and not _is_over(details.value)
    if not is_failed_by_operator(this.order):
        return False
    try:
        return not await is_over_there(this, order_id)
    except CloudPressError:
        return True


async def is_over_there(this: Pass, order_id: str) -> bool:
    """Tell whether CloudPress shows that an order was cancelled or has failed.

    Raises:
        CloudPressError: CloudPress does not tell.
    """
    details = await this.find_order(order_id)
    return details is not None and _is_over(details.value)


def _is_over(details: OrderDetails) -> bool:
    return is_over(details.status, (task.status for task in details.tasks))


def _leads_nowhere(this: Pass, sent: Sent, called_back: Named) -> bool:
    """Tell whether callbacks speak for an order without leading to one of which a person can be told.

    Their tasks are asked about anew at each look, until an operator has spoken: whatever else a person is
    told of the order meanwhile, no callback is forgotten behind that.
    """
    order, findings = this.order, this.findings
    told = {*findings.duplicates, *(order.suspected_duplicates or ()), *(order.settled_duplicates or ())}
    nowhere = {
        task_id
        for task_id, order_ids in called_back.of_tasks.items()
        if task_id in sent.speaking and not told.issuperset(order_ids or ("",))
    }
    findings.hints = tuple(task_id for task_id in findings.hints if task_id not in nowhere)
    return sent.names_no_task or bool(nowhere)
