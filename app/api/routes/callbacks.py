"""Where CloudPress calls back. A callback is a knock on the door, not the news itself."""

from uuid import UUID

import structlog
from fastapi import APIRouter, Request, Response

from app.api.context import ContextDep
from app.api.problems import documented, unauthorized
from app.orders.callbacks import record_callback

log = structlog.get_logger()

router = APIRouter(tags=["callbacks"])


@router.post(
    "/v1/callbacks/{order_id}",
    status_code=204,
    operation_id="receiveCallback",
    responses=documented(401, 413, 503),
)
async def receive_callback(order_id: str, request: Request, context: ContextDep) -> Response:
    """Take a callback of CloudPress: stored and committed before it is answered, never believed.

    The value is checked against the text of the address before the body is read and the database is
    touched, so a flood of forgeries costs neither.
    """
    presented = [value for name, value in request.headers.raw if name == b"authorization"]
    if len(presented) != 1 or not context.callback_secrets.verify(order_id, presented[0]):
        reason = "wrong authorization" if presented else "no authorization"
        context.refusals["callback", reason] += 1
        context.metrics.callback("refused", reason)
        log.warning("callback_refused", reason=reason)
        raise unauthorized()
    body = await request.body()
    await context.require_migrated()
    if not await record_callback(context.db, UUID(order_id), body):
        # Its value is ours, so the order was: the database is older than the order.
        context.refusals["callback", "no such order"] += 1
        context.metrics.callback("refused", "no such order")
        log.error("callback_refused", reason="its order is not in the database", order=order_id)
        raise unauthorized()
    context.metrics.callback("accepted")
    log.info("callback", order=order_id, bytes=len(body))
    return Response(status_code=204)
