"""The fault matrix: what becomes of an order for each fault of each answer that the reconciler uses, and why.

`made` is how many orders CloudPress has in the end, `sent` how often it was asked for one. Of an order that
is spoilt while it is placed others are sent before and after, which are not counted.
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


@dataclass(frozen=True)
class CancelRow:
    """A fault of every answer to `DELETE /api/orders/:id` of an unpaid order until it is healed.

    `asked` is how often CloudPress was asked before the healing, None if again and again.
    """

    fault: str
    ends: str
    asked: int | None
    reason: str
    attention: str | None = None
    cancellation: str | None = None


_AGAIN = "may have landed; two look-ups, one after the grace, are proven to see and say no: placed again"
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
    PlaceRow("302", "completed", 1, 2, "may show where to find what was made, so it may have landed"),
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

SITE_IN_LOOK_UP = (
    *_reads("site", "unconfirmed"),
    ReadRow("site", "404", "unconfirmed", "no readable site: a suspect", "placement_suspected"),
)
"""Faults of the site, where the order that a look-up sees does not tell the site's name."""

HINTED = (
    *_reads("task", "unconfirmed"),
    ReadRow("task", "404", "unconfirmed", "not there yet, so it is asked for again"),
    ReadRow("task", "unknown status", None, "whose the task is counts, not how it stands"),
    *_reads("order", "unconfirmed"),
    ReadRow("order", "404", "unconfirmed", "not there yet, so it is asked for again"),
    ReadRow("order", "unknown status", None, "an order's variant and name count, not how it stands"),
)
"""Faults of what a callback leads to, where nothing else can tell."""

_NOT_NOW = "it was not cancelled, and no refusal of this order was heard: asked again"
_NO = "CloudPress refuses: the wish has ended, the order goes on, and the client is told"
_DONE = "it was cancelled and the answer is lost: the next look shows it, nothing is asked twice"
_YES = "any 2xx is a yes, whatever its body"
CANCELLING = (
    CancelRow("ok", "cancelled", 1, "nothing happened"),
    CancelRow("slow", "cancelled", 1, "slow is not lost"),
    *(
        CancelRow(fault, "cancelled", None, _NOT_NOW)
        for fault in ("timeout before", "reset before", "HTML 502 before", "408", "429", "500", "503")
    ),
    CancelRow("302", "cancelled", None, "the operator has to mend the address, and is told", "redirected"),
    *(CancelRow(fault, "cancelled", None, _REFUSED, "credentials_refused") for fault in _REFUSALS),
    *(
        CancelRow(fault, "awaiting_payment", 1, _NO, cancellation="refused")
        for fault in ("400", "402", "404", "409", "422")
    ),
    *(
        CancelRow(fault, "cancelled", 1, _DONE)
        for fault in ("timeout after", "reset after", "HTML 502 after", "500 after", "cut off")
    ),
    *(CancelRow(fault, "cancelled", 1, _YES) for fault in ("truncated JSON", "empty", "wrong types")),
    CancelRow(
        "HTML 200 before",
        "awaiting_payment",
        1,
        "any 2xx is a yes, but what CloudPress shows decides, and it shows an order that is not cancelled",
        cancellation="requested",
    ),
)
