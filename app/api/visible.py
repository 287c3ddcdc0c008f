"""What of the database exists for a key."""

from uuid import UUID

from app.api.context import Context
from app.api.problems.kinds import not_found
from app.keys.grants import Grant
from app.orders.reading import OrderView, find_order


async def find_visible(context: Context, grant: Grant, order_id: UUID) -> OrderView:
    """Return an order that exists for a key.

    Raises:
        Problem: 404 if it does not.
    """
    async with context.db.read() as session:
        view = await find_order(session, order_id)
    if view is None or not grant.may_see(view.order.account_id):
        raise not_found()
    return view
