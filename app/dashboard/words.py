"""How things are shown: the icon and tone of each state, times, spans, foreign addresses."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from markupsafe import Markup

from app.events.types import EventType
from app.keys.grants import Grant
from app.keys.grants import Scope as KeyScope
from app.states import AttentionCode, OrderStatus

MINUTE, HOUR, DAY = 60, 3600, 86400
HOSTNAME = re.compile(r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")


@dataclass(frozen=True)
class Look:
    """How a state looks: never by colour alone, always with its word."""

    word: str
    icon: str
    tone: str


STATUSES: Mapping[str, Look] = {
    OrderStatus.PENDING: Look("Pending", "clock", "calm"),
    OrderStatus.PLACING: Look("Placing", "arrow", "busy"),
    OrderStatus.UNCONFIRMED: Look("Unconfirmed", "question", "warn"),
    OrderStatus.AWAITING_PAYMENT: Look("Awaiting payment", "card", "warn"),
    OrderStatus.PROVISIONING: Look("Provisioning", "gear", "busy"),
    OrderStatus.COMPLETED: Look("Completed", "check", "good"),
    OrderStatus.FAILED: Look("Failed", "cross", "bad"),
    OrderStatus.CANCELLED: Look("Cancelled", "stop", "calm"),
}
OTHERS: Mapping[str, Look] = {
    "attention": Look("Needs a person", "flag", "bad"),
    # Deliveries.
    "pending": Look("Pending", "clock", "calm"),
    "delivered": Look("Delivered", "check", "good"),
    "failed": Look("Failed", "cross", "bad"),
    # Webhooks and keys.
    "enabled": Look("Enabled", "check", "good"),
    "disabled": Look("Disabled", "stop", "bad"),
    "off": Look("Off", "stop", "calm"),
    "failing": Look("Failing", "flag", "warn"),
    "working": Look("Working", "check", "good"),
    "expired": Look("Expired", "stop", "calm"),
    # What may be an order at CloudPress.
    "candidate": Look("Candidate", "check", "good"),
    "suspect": Look("Suspect", "question", "warn"),
    "orphan": Look("Orphan", "question", "warn"),
    "unseen": Look("Not looked at yet", "clock", "calm"),
    "duplicate": Look("Perhaps a second one", "flag", "bad"),
    # Checks.
    "ok": Look("Well", "check", "good"),
    "warning": Look("Will hurt", "flag", "warn"),
    "skipped": Look("Not looked at", "clock", "calm"),
    "unknown": Look("Not known yet", "question", "calm"),
    # Accounts.
    "refused": Look("Token refused", "flag", "bad"),
}

# What of a timeline a person looks for first; everything else is told calmly.
_GOOD = {EventType.COMPLETED, EventType.ATTENTION_ENDED, EventType.FOUND_AGAIN, EventType.CHECK_RECOVERED}
_BAD = {
    EventType.FAILED,
    EventType.NEEDS_ATTENTION,
    EventType.ATTENTION_STARTED,
    EventType.REQUEST_FAILED,
    EventType.NOT_FOUND,
    EventType.CANCEL_REFUSED,
    EventType.RESOLUTION_IMPOSSIBLE,
    EventType.DUPLICATE_SUSPECTED,
    EventType.CHECK_FAILED,
    EventType.WEBHOOK_DISABLED,
}


def look_of(state: str) -> Look:
    """Return how a state looks; one that nobody has listed looks calm."""
    known = STATUSES.get(state) or OTHERS.get(state)
    return known or Look(state.replace("_", " ").capitalize(), "clock", "calm")


def event_tone(kind: str) -> str:
    """Return whether an event is good news, bad news, or neither."""
    return "good" if kind in _GOOD else "bad" if kind in _BAD else "calm"


def event_sentence(kind: str) -> str:
    """Return what an event's type means."""
    try:
        return EventType(kind).sentence
    except ValueError:
        return kind


def attention_sentence(code: str) -> str:
    """Return what a cause of attention means."""
    try:
        return AttentionCode(code).sentence
    except ValueError:
        return code


def spoken(code: str) -> str:
    """Return a word on the wire as a person reads it."""
    return code.rpartition(".")[2].replace("_", " ")


def span(seconds: float) -> str:
    """Return a span in its two largest units."""
    whole = max(0, round(seconds))
    for unit, name, below, below_name in (
        (DAY, "d", HOUR, "h"),
        (HOUR, "h", MINUTE, "min"),
        (MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name}" + (f" {rest} {below_name}" if rest else "")
    return f"{whole} s"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, or in how long it is."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def utc(moment: datetime) -> str:
    """Return a moment as it is written, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def moment(value: datetime) -> Markup:
    """Return a moment: UTC, which the page's script tells in local time with UTC at hand."""
    stamp = value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(stamp, utc(value), utc(value))


def web_address(value: object) -> str | None:
    """Return a foreign address if a link may lead there: http or https, to a host, without a user in it."""
    if not isinstance(value, str) or any(ord(each) <= 32 for each in value):
        return None
    try:
        parts = urlsplit(value)
        is_page = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return None
    return value if is_page else None


def site_address(domain: object) -> str | None:
    """Return the address of a finished site, None where its domain is no host's name."""
    if isinstance(domain, str) and HOSTNAME.fullmatch(domain):
        return f"https://{domain}/"
    return None


def facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what an event tells beside its sentence, each with its name; what is empty is left out."""
    told = []
    for name, value in data.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, list | tuple):
            text = ", ".join(str(each) for each in value[:10]) + (", …" if len(value) > 10 else "")
        else:
            text = str(value)
        told.append((spoken(name), text))
    return told


def short(value: object) -> str:
    """Return the end of an id, by which people tell ids apart: the beginning of ours is the time."""
    return str(value)[-8:]


def path_part(value: str) -> str:
    """Return a value as part of a path."""
    return quote(value, safe="")


FILTERS: dict[str, Callable[..., Any]] = {
    "look": look_of,
    "tone": event_tone,
    "sentence": event_sentence,
    "attention_sentence": attention_sentence,
    "spoken": spoken,
    "span": span,
    "ago": ago,
    "moment": moment,
    "web_address": web_address,
    "site_address": site_address,
    "facts": facts,
    "short": short,
    "path_part": path_part,
}


@dataclass(frozen=True)
class Link:
    """A link of the navigation."""

    title: str
    path: str
    is_here: bool


PAGES: tuple[tuple[str, str, frozenset[KeyScope]], ...] = (
    ("Overview", "/ui", frozenset()),
    ("Orders", "/ui/orders", frozenset({KeyScope.ORDERS_READ})),
    ("Webhooks", "/ui/webhooks", frozenset({KeyScope.WEBHOOKS_WRITE})),
    ("Accounts", "/ui/accounts", frozenset({KeyScope.ORDERS_READ})),
    ("Keys", "/ui/keys", frozenset({KeyScope.KEYS_WRITE})),
    ("Live", "/ui/live", frozenset({KeyScope.ORDERS_READ})),
    ("Audit", "/ui/audit", frozenset({KeyScope.ORDERS_READ})),
    ("Doctor", "/ui/doctor", frozenset({KeyScope.METRICS_READ})),
)
"""The pages of the navigation, and the scopes without which there is nothing to see."""


def navigation(grant: Grant, path: str) -> list[Link]:
    """Return the pages that a key may see."""
    return [
        Link(title, address, path == address or (address != "/ui" and path.startswith(f"{address}/")))
        for title, address, scopes in PAGES
        if scopes <= grant.scopes and (address != "/ui/doctor" or grant.account_ids is None)
    ]
