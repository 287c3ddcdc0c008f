"""The fault matrix: what becomes of an order for each fault of each answer that the reconciler uses, and why.

`made` is how many orders CloudPress has in the end, `sent` how often it was asked for one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlaceRow:
    """A fault of the first answer to `POST /api/orders`; everything after it is well."""

    fault: str
    ends: str
    made: int
    sent: int
    reason: str


@dataclass(frozen=True)
class ReadRow:
    """A fault of every answer to a read until it is healed; then the order is completed."""

    call: str
    fault: str
    waits: str | None
    """The status that the order has meanwhile; None if the fault does not hold it up."""
    reason: str
    attention: str | None = None


_AGAIN = "may have landed; two look-ups, one after the grace, say no: it is placed again"
_FOUND = "it landed: found by look-up, never repeated"
_HELD_OFF = "refused for a reason that is not in the order: it stays pending and is sent again"
_REJECTED = "refused for what is in the order, on the first attempt"
PLACING = (
    PlaceRow("ok", "completed", 1, 1, "nothing happened"),
    PlaceRow("slow", "completed", 1, 1, "slow is not lost"),
    PlaceRow("unknown status", "completed", 1, 1, "unknown is not final: it is asked for again"),
    PlaceRow("timeout before", "completed", 1, 2, _AGAIN),
    PlaceRow("reset before", "completed", 1, 2, _AGAIN),
    PlaceRow("408", "completed", 1, 2, _AGAIN),
    PlaceRow("500", "completed", 1, 2, _AGAIN),
    PlaceRow("503", "completed", 1, 2, "a 503 is passing for reads; after a POST it says nothing"),
    PlaceRow("HTML 502 before", "completed", 1, 2, _AGAIN),
    PlaceRow("HTML 200 before", "completed", 1, 2, "a page that is no JSON names no order: unknown"),
    PlaceRow("timeout after", "completed", 1, 1, _FOUND),
    PlaceRow("reset after", "completed", 1, 1, _FOUND),
    PlaceRow("HTML 502 after", "completed", 1, 1, _FOUND),
    PlaceRow("500 after", "completed", 1, 1, _FOUND),
    PlaceRow("cut off", "completed", 1, 1, _FOUND),
    PlaceRow("truncated JSON", "completed", 1, 1, _FOUND),
    PlaceRow("empty", "completed", 1, 1, _FOUND),
    PlaceRow("wrong types", "completed", 1, 1, _FOUND),
    PlaceRow("302", "completed", 1, 2, _HELD_OFF),
    PlaceRow("401", "completed", 1, 2, _HELD_OFF),
    PlaceRow("403", "completed", 1, 2, _HELD_OFF),
    PlaceRow("429", "completed", 1, 2, "not before Retry-After; surely not landed, so no look-up"),
    PlaceRow("400", "failed", 0, 1, _REJECTED),
    PlaceRow("402", "failed", 0, 1, _REJECTED),
    PlaceRow("404", "failed", 0, 1, _REJECTED),
    PlaceRow("409", "failed", 0, 1, _REJECTED),
    PlaceRow("422", "failed", 0, 1, _REJECTED),
)

_NOT_TOLD = "nothing was learned, so nothing changes; asked again with back-off"
_REFUSED = "the operator has to mend it, and is told; asked again with back-off"
_TROUBLES = (
    "timeout before",
    "timeout after",
    "reset before",
    "reset after",
    "400",
    "402",
    "429",
    "500",
    "503",
    "HTML 502 before",
    "HTML 200 before",
    "cut off",
    "truncated JSON",
    "empty",
    "wrong types",
)
_REFUSALS = ("401", "403")


def _reads(call: str, waits: str) -> tuple[ReadRow, ...]:
    return (
        ReadRow(call, "ok", None, "nothing happened"),
        ReadRow(call, "slow", None, "slow is not lost"),
        *(ReadRow(call, fault, waits, _NOT_TOLD) for fault in _TROUBLES),
        *(ReadRow(call, fault, waits, _REFUSED, "credentials_refused") for fault in _REFUSALS),
    )


FOLLOWING = (
    *_reads("order", "provisioning"),
    ReadRow("order", "404", None, "a 404 decides nothing; the task is OK and its site is read"),
    ReadRow("order", "unknown status", None, "the order's task and its site decide"),
    *_reads("task", "provisioning"),
    ReadRow("task", "404", None, "a 404 decides nothing; the order tells the task's status and its site"),
    ReadRow("task", "unknown status", None, "no task is final, so the order's own completed counts"),
    *_reads("site", "provisioning"),
    ReadRow("site", "404", "provisioning", "completed means that the site was read"),
)
"""Faults of what is read of an order that was placed well. A site has no status."""

SEEKING = (
    *_reads("list", "unconfirmed"),
    ReadRow("list", "404", "unconfirmed", "half a look-up is none"),
    ReadRow("list", "unknown status", None, "a look-up goes by variant and name"),
    *_reads("order", "unconfirmed"),
    ReadRow("order", "404", "unconfirmed", "listed, but not shown: a suspect"),
    ReadRow("order", "unknown status", None, "a look-up goes by variant and name"),
)
"""Faults of a look-up, once for an order that landed and once for one that did not."""
