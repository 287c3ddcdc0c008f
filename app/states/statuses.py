"""The statuses of an order, and which may follow which."""

from app.states.codes import Code


class OrderStatus(Code):
    """The statuses of an order."""

    PENDING = "pending", "The order is stored and waits for its turn to be sent."
    PLACING = "placing", "The order is being sent to CloudPress."
    UNCONFIRMED = "unconfirmed", "Whether CloudPress has the order is not known: it is looked for."
    AWAITING_PAYMENT = "awaiting_payment", "CloudPress waits for the end user to pay."
    PROVISIONING = "provisioning", "CloudPress has the order and makes the site."
    COMPLETED = "completed", "The site is finished."
    FAILED = "failed", "The order has failed for good."
    CANCELLED = "cancelled", "The order is cancelled."


PENDING, PLACING, UNCONFIRMED, AWAITING_PAYMENT, PROVISIONING, COMPLETED, FAILED, CANCELLED = OrderStatus

FINAL = frozenset({COMPLETED, FAILED, CANCELLED})
PLACED = frozenset({AWAITING_PAYMENT, PROVISIONING}) | FINAL
"""Statuses that an order can have once CloudPress has it."""

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    PENDING: frozenset({PLACING, UNCONFIRMED, CANCELLED}),
    PLACING: frozenset({PENDING, UNCONFIRMED, AWAITING_PAYMENT, PROVISIONING, FAILED}),
    UNCONFIRMED: frozenset({PENDING, AWAITING_PAYMENT, PROVISIONING}) | FINAL,
    # Not found again: an operator has given what it was taken for, by its name, to another order.
    AWAITING_PAYMENT: frozenset({PROVISIONING, UNCONFIRMED}) | FINAL,
    PROVISIONING: frozenset({AWAITING_PAYMENT, UNCONFIRMED}) | FINAL,
    COMPLETED: frozenset(),
    FAILED: frozenset(),
    CANCELLED: frozenset(),
}


def may_follow(before: OrderStatus, after: OrderStatus) -> bool:
    """Tell whether an order may go from one status to another, or stay as it is."""
    return before == after or after in TRANSITIONS[before]
