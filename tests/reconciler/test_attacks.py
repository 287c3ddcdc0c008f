"""Worlds that were thought up by somebody who had not seen the code written.

In each an order could be bought twice, or get what is another's, without anybody being told.
"""

from app.cloudpress import Refused
from tests.reconciler.scripted import GRACE_SECONDS, Bench

LONG = 5 * GRACE_SECONDS


async def test_a_proxys_503_with_retry_after_says_nothing_of_what_its_backend_did(bench: Bench) -> None:
    """Varnish's own page says `Retry-After: 5` wherever a backend breaks off, whatever that had done."""
    broken_off = Refused(503, ("Error 503 Backend fetch failed",), 5.0, is_known_host=True)
    bench.cloudpress.script["answer"] = [None, broken_off]
    order_id = await bench.order_among_others()
    await bench.work_for(LONG)
    order = await bench.read(order_id)
    assert bench.cloudpress.count("place Shop") == 1
    assert (order.status, order.cloudpress_order_id) == ("provisioning", "cp-2")
