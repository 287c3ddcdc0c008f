"""A CloudPress order beside the order as it was ordered: what is alike, what differs, what is not told."""

from dataclasses import dataclass
from datetime import datetime

from app.api.bodies.suspects import SuspectBody, ToldOrderBody
from app.dashboard.words import span
from app.orders.representation import OrderBody
from app.states import OrderStatus


@dataclass(frozen=True)
class Compared:
    """One thing of both. `mark` is `same`, `differs` or `untold`; empty where there is nothing to compare."""

    name: str
    ordered: str | datetime | None
    told: str | datetime | None
    mark: str = ""
    note: str = ""


def compare(order: OrderBody, suspect: SuspectBody) -> list[Compared]:
    """Return what there is to compare, the most telling first; nothing where nothing is told."""
    told = suspect.told
    if told is None and suspect.placed_at is None:
        return []
    asked = order.request
    made = (told.created_at if told else None) or suspect.placed_at
    pairs = (
        ("Name", asked.name, told.site_name if told else None),
        ("Variant", asked.variant, told.variant if told else None),
        ("Location", asked.location, told.location if told else None),
        ("Plan", asked.plan, told.product if told else None),
    )
    found = [Compared(name, ours, theirs, _mark(ours, theirs)) for name, ours, theirs in pairs]
    note = "" if made is None else _apart((made - order.created_at).total_seconds())
    return [*found, Compared("Time", order.created_at, made, "untold" if made is None else "", note)]


def _mark(ours: str | None, theirs: str | None) -> str:
    if theirs is None:
        return "untold"
    if ours is None:
        return ""
    return "same" if ours.strip().casefold() == theirs.strip().casefold() else "differs"


def _apart(seconds: float) -> str:
    if abs(seconds) < 1:
        return "at the same second"
    return f"{span(abs(seconds))} {'after' if seconds > 0 else 'before'} it was ordered"


def leads_to(suspect: SuspectBody) -> str:
    """Say what becomes of the order once it is this CloudPress order, as CloudPress tells of that now."""
    told = suspect.told
    if told is None:
        return "CloudPress has to show it first: until it does, adopting it is refused."
    return f"The order becomes that CloudPress order, and nothing is sent. {_then(told)}"


def _then(told: ToldOrderBody) -> str:
    tasks = {task.status.upper() for task in told.tasks}
    status = (told.status or "").lower()
    if "FAILED" in tasks or (not tasks and status == OrderStatus.FAILED):
        return "It then fails, as it did at CloudPress."
    if "CANCELLED" in tasks or (not tasks and status == OrderStatus.CANCELLED):
        return "It is then cancelled, as it is at CloudPress."
    if told.awaits_payment:
        return "It then awaits the payment that CloudPress asks for."
    if tasks == {"OK"} or (not tasks and status == OrderStatus.COMPLETED):
        return "It is then completed, as soon as its site is read."
    return "It is then provisioned: CloudPress is asked until its task ends."
