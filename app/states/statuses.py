"""The statuses of an order, and which may follow which."""

from enum import StrEnum


class OrderStatus(StrEnum):
    """The statuses of an order."""

    PENDING = "pending"
    PLACING = "placing"
    UNCONFIRMED = "unconfirmed"
    AWAITING_PAYMENT = "awaiting_payment"
    PROVISIONING = "provisioning"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


PENDING, PLACING, UNCONFIRMED, AWAITING_PAYMENT, PROVISIONING, COMPLETED, FAILED, CANCELLED = OrderStatus

FINAL = frozenset({COMPLETED, FAILED, CANCELLED})
PLACED = frozenset({AWAITING_PAYMENT, PROVISIONING}) | FINAL
"""Statuses that an order can have once CloudPress has it."""

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    PENDING: frozenset({PLACING, UNCONFIRMED, CANCELLED}),
    PLACING: frozenset({PENDING, UNCONFIRMED, AWAITING_PAYMENT, PROVISIONING, FAILED}),
    UNCONFIRMED: frozenset({PENDING, AWAITING_PAYMENT, PROVISIONING}) | FINAL,
    AWAITING_PAYMENT: frozenset({PROVISIONING}) | FINAL,
    PROVISIONING: frozenset({AWAITING_PAYMENT}) | FINAL,
    COMPLETED: frozenset(),
    FAILED: frozenset(),
    CANCELLED: frozenset(),
}


def may_follow(before: OrderStatus, after: OrderStatus) -> bool:
    """Tell whether an order may go from one status to another, or stay as it is."""
    return before == after or after in TRANSITIONS[before]
