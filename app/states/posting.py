"""What the outcome of a request to place an order makes of it. Pure."""

from app.states import attention
from app.states.codes import ErrorCode, Problem
from app.states.decision import Decision, Wait
from app.states.observations import PostEnded
from app.states.seeing import under_way
from app.states.standing import Standing
from app.states.statuses import FAILED, PENDING, UNCONFIRMED
from app.states.words import PostOutcome, is_final_order, is_final_task


def after_post(order: Standing, post: PostEnded) -> Decision:
    """Say what an answer to the request, or none, makes of the order that was sent."""
    retry_after = post.trouble.retry_after_seconds if post.trouble else None
    match post.outcome:
        case PostOutcome.PLACED:
            decided = is_final_task(post.task_status) or is_final_order(post.order_status)
            return under_way(post, Wait.TURN if decided else None)
        case PostOutcome.NOT_SENT | PostOutcome.HELD_OFF if order.cancelling:
            return Decision(PENDING, Wait.TURN)  # dropping it needs no request, so no `Retry-After` holds it
        case PostOutcome.NOT_SENT:
            return Decision(PENDING, Wait.RETRY, attention=order.attention, retry_after_seconds=retry_after)
        case PostOutcome.HELD_OFF:
            asked = attention.refused(post.trouble) or order.attention
            return Decision(PENDING, Wait.RETRY, attention=asked, retry_after_seconds=retry_after)
        case PostOutcome.REJECTED if post.first:
            return Decision(FAILED, Wait.NOTHING, problem=rejected(post.reasons))
        case PostOutcome.REJECTED | PostOutcome.UNKNOWN:
            # A later attempt can be refused *because* an earlier one landed.
            return Decision(UNCONFIRMED, Wait.LOOK_UP, retry_after_seconds=retry_after)


def rejected(reasons: tuple[str, ...]) -> Problem:
    """Return why an order failed that CloudPress refused, for the reasons that it gave."""
    detail = "CloudPress refused the order" + (f": {'; '.join(reasons)}" if reasons else ".")
    return Problem(ErrorCode.REJECTED, detail, reasons)
