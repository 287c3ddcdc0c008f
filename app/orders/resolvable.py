"""Which words of an operator an order takes, by its row alone."""

from app.db.models import Order
from app.orders.cancelling import is_unwanted
from app.orders.handing_over import is_mixed_up
from app.states import FINAL, GIVEN_UP_FOR, PLACED, AttentionCode, OrderStatus, tells_of_mix_up


def is_not_sent(order: Order) -> bool:
    """Tell whether an order waits for a person before it is sent."""
    return order.status == OrderStatus.PENDING and order.attention_code == AttentionCode.NOT_SENT


def may_never_go_on(order: Order) -> bool:
    """Tell whether a person is asked about a placed order what may stay so for ever."""
    may_hold_anothers = tells_of_mix_up(order.attention_detail or "")
    return order.status in PLACED - FINAL and (order.attention_code in GIVEN_UP_FOR or may_hold_anothers)


def why_not_resolvable(order: Order, action: str) -> str | None:
    """Return why an order does not take `adopt`, `place_again` or `fail`; None if it does."""
    is_for_its_status = (
        order.status == OrderStatus.UNCONFIRMED
        or (action == "place_again" and is_not_sent(order))
        or (action == "fail" and may_never_go_on(order))
        or (action in {"place_again", "fail"} and is_mixed_up(order))
    )
    if not is_for_its_status:
        return f"Only an unconfirmed order can be resolved; this one is {order.status}."
    if action == "place_again" and is_unwanted(order):
        if is_mixed_up(order):
            return (
                "The client wants this order cancelled, so it is not placed again: have the order adopt "
                f"{order.cloudpress_order_id} whose it is, or fail this one."
            )
        return (
            "The client wants this order cancelled, so it is not placed again: dismiss what is suspected and "
            "is another's, adopt what is this order's, or fail it."
        )
    return None
