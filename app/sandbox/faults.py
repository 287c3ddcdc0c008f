"""Faults on demand: what there is, how one is written, and which befall an order.

A fault is written `name` or `name=value`, alone or as a tag in a site's name: `My shop [callback-lost]`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

GATEWAY_STATUSES = (502, 503, 504)
READS = ("list", "order", "task", "site")
READ_FAULTS = {
    "500": "answered 500, this many times",
    "404": "answered 404, this many times",
    "401": "answered 401, this many times",
    "402": "answered 402, as for a suspended site, this many times",
    "403": "answered 403, this many times",
    "429": "answered 429 with Retry-After: 1, this many times",
    **{
        str(status): f"answered {status} with a proxy's HTML page, this many times"
        for status in GATEWAY_STATUSES
    },
    "slow": "answered after this many seconds, once",
    "truncated": "cut off in the middle of the JSON, this many times",
    "types": "answered with other types than documented, this many times",
    "dropped": "closed without an answer, this many times",
}
# name -> (default value, what it does)
FAULTS: dict[str, tuple[float, str]] = {
    "place-500": (1, "POST answered 500, no order made, this many times"),
    "place-500-after": (1, "order made, POST answered 500"),
    **{
        f"place-{status}": (
            1,
            f"POST answered {status} with a proxy's HTML page, no order made, this many times",
        )
        for status in GATEWAY_STATUSES
    },
    "place-502-after": (1, "order made, POST answered with a proxy's HTML page"),
    "place-429": (2, "POST answered 429 with this Retry-After, no order made"),
    "place-401": (1, "POST answered 401, no order made, this many times"),
    "place-402": (1, "POST answered 402, as for a suspended account, no order made, this many times"),
    "place-403": (1, "POST answered 403, as for a trial account, no order made, this many times"),
    "place-422": (1, "POST answered 422, no order made, this many times"),
    "place-dropped": (1, "connection closed without an answer, no order made, this many times"),
    "place-lost": (1, "order made, connection closed without an answer"),
    "place-slow": (5, "order made, answered after this many seconds"),
    "place-not-json": (1, "order made, POST answered 200 with something that is not JSON"),
    "place-no-id": (1, "order made, POST answered without the order's id"),
    "place-status": (202, "order made, POST answered with this status of success: 200, 201 or 202"),
    **{
        f"{read}-{kind}": (2 if kind == "slow" else 1, f"GET of the {read} {what}")
        for read in READS
        for kind, what in READ_FAULTS.items()
    },
    "cancel-422": (1, "DELETE refused, this many times"),
    "cancel-500": (1, "DELETE answered 500, order not cancelled, this many times"),
    "cancel-401": (1, "DELETE answered 401, this many times"),
    "cancel-lost": (1, "order cancelled, connection closed without an answer"),
    "cancel-late": (2, "DELETE accepted, order cancelled this many seconds later"),
    "cancel-crossed": (1, "the task ends just before the DELETE comes in"),
    "task-failed": (1, "the task ends FAILED"),
    "task-cancelled": (1, "the task ends CANCELLED"),
    "task-paused": (3, "the task is PAUSED for this many seconds, then goes on"),
    "task-unknown": (3, "the task has a status nobody listed for this many seconds, then goes on"),
    "task-without-site": (1, "the task names no site; only the order does"),
    "site-late": (3, "the site is 404 for this many seconds after it is made"),
    "site-early": (1, "the site is made, linked and in the POST's answer before the task has ended"),
    "status-case": (1, "statuses in odd letter cases"),
    "payment-first": (1, "the order has to be paid"),
    "payment-ur": (1, "the payment URL is spelt payment_ur when the order is shown"),
    "callback-lost": (1, "no callback"),
    "callback-doubled": (1, "the callback sent twice at once"),
    "callback-early": (1, "the task ends, and the callback is sent, before the POST is answered"),
    "callback-late": (5, "the callback sent this many seconds late"),
    "callback-forged": (
        1,
        "a callback with a wrong Authorization, claiming success, sent before the right one",
    ),
    "body-flat": (1, "callback body: the task's fields at the top"),
    "body-task-id": (1, "callback body: only a task_id"),
    "body-ancestor": (1, "callback body: timestamp, success and data, as the platform's ancestor sends"),
    "body-empty": (1, "callback body: empty"),
    "body-not-json": (1, "callback body: text"),
    "body-bad-utf8": (1, "callback body: bytes that are not UTF-8"),
    "body-deep": (1, "callback body: JSON nested a thousand times"),
}
TAG = re.compile(r"\[([a-z0-9-]+(?:=[^\]]*)?)\]")
# A million seconds are more than any sandbox runs; what is far larger no clock can add up.
MAX_VALUE = 1_000_000
CHOICES = {"place-status": (200, 201, 202)}


class FaultError(ValueError):
    """There is no such fault, or its value cannot be."""


def parse_fault(text: str) -> tuple[str, float]:
    """Read `name` or `name=value`.

    Raises:
        FaultError: the text is neither, or the value is not between 0 and a million, or not one of those
            that the fault takes.
    """
    name, _, value = text.partition("=")
    if name not in FAULTS:
        raise FaultError(f"there is no fault {name!r}; there are: {', '.join(FAULTS)}")
    try:
        number = float(value) if value else FAULTS[name][0]
    except ValueError:
        raise FaultError(f"the value of {name} must be a number") from None
    if not 0 <= number <= MAX_VALUE:
        raise FaultError(f"the value of {name} must be between 0 and {MAX_VALUE}")
    if name in CHOICES and number not in CHOICES[name]:
        raise FaultError(f"the value of {name} must be one of {', '.join(map(str, CHOICES[name]))}")
    return name, number


def tagged(site_name: str) -> dict[str, float]:
    """Return the faults that a site's name asks for; other words in brackets are just its name.

    Raises:
        FaultError: a tag's value cannot be, or its fault concerns no single order.
    """
    tags = TAG.findall(site_name)
    return parse_order_faults(tag for tag in tags if tag.partition("=")[0] in FAULTS)


@dataclass
class FaultPlan:
    """Which orders faults befall: the next one, those whose name matches, and a seeded share of all."""

    random: Random
    rates: dict[str, float] = field(default_factory=dict)
    for_next: dict[str, float] = field(default_factory=dict)
    for_reads: dict[str, float] = field(default_factory=dict)
    """Faults of requests that concern no single order: the list of orders."""

    def draw(self, site_name: str) -> dict[str, float]:
        """Return the faults of an order that is being made. The next order's are used up.

        Raises:
            FaultError: a tag of the name is wrong; then nothing is drawn or used up.
        """
        by_name = tagged(site_name)
        drawn = {
            name: FAULTS[name][0] for name, rate in sorted(self.rates.items()) if self.random.random() < rate
        }
        drawn |= self.for_next | by_name
        self.for_next = {}
        return drawn

    def set_rates(self, rates: Mapping[str, float]) -> None:
        """Replace the rates.

        Raises:
            FaultError: there is no such fault of an order, or a rate is not between 0 and 1.
        """
        parse_order_faults(rates)
        for name, rate in rates.items():
            if not 0 <= rate <= 1:
                raise FaultError(f"the rate of {name} must be between 0 and 1")
        self.rates = dict(rates)


def parse_order_faults(texts: Iterable[str]) -> dict[str, float]:
    """Read faults that befall an order.

    Raises:
        FaultError: one of them is no such fault.
    """
    return _parse(texts, of_list=False)


def parse_list_faults(texts: Iterable[str]) -> dict[str, float]:
    """Read faults that befall the list of orders.

    Raises:
        FaultError: one of them is no such fault.
    """
    return _parse(texts, of_list=True)


def _parse(texts: Iterable[str], *, of_list: bool) -> dict[str, float]:
    faults = dict(parse_fault(text) for text in texts)
    for name in faults:
        # Taken silently, it would never happen, and a test that waits for it would prove nothing.
        if name.startswith("list-") != of_list:
            raise FaultError(f"{name} concerns {'an order' if of_list else 'the list of orders'}")
    return faults


def use_up(faults: dict[str, float], name: str) -> bool:
    """Tell whether a fault that happens a number of times happens now, and count it."""
    left = faults.get(name, 0)
    if left < 1:
        return False
    faults[name] = left - 1
    return True
