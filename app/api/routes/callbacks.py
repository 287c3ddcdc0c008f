"""Where CloudPress calls back, as `/openapi.json` describes it: a knock on the door, not the news itself."""

from fastapi import APIRouter, Response

from app.api.middleware.callbacks import ROUTE
from app.api.problems.documented import documented
from app.api.problems.kinds import unauthorized

router = APIRouter(tags=["callbacks"])


@router.post(
    ROUTE,
    status_code=204,
    operation_id="receiveCallback",
    responses=documented(401, 413, 503),
)
async def receive_callback(order_id: str) -> Response:
    """Take a callback of CloudPress: stored and committed before it is answered, never believed.

    The value is checked against the text of the address before the body is read and the database is
    touched, so a flood of forgeries costs neither.
    """
    # All of them are answered before the routing (`app/api/middleware/callbacks.py`).
    raise unauthorized()
