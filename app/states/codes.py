"""Words on the wire, each with a sentence, and two kinds: why an order asks for attention, why it failed."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A word on the wire with a sentence that says what it means. (`docs/vocabulary.md`)"""

    sentence: str

    def __new__(cls, value: str, sentence: str = "") -> Self:
        """Make a member of its word on the wire and its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


class AttentionCode(Code):
    """Why a person should look at an order."""

    PLACEMENT_UNCONFIRMED = (
        "placement_unconfirmed",
        "The order was sent, and whether CloudPress has it is not known.",
    )
    PLACEMENT_AMBIGUOUS = "placement_ambiguous", "More than one CloudPress order could be this one."
    PLACEMENT_SUSPECTED = "placement_suspected", "CloudPress has an order that may be this one."
    PLACEMENT_CALLED_BACK = (
        "placement_called_back",
        "CloudPress called back for the order, and which of its orders that was is not known.",
    )
    PLACEMENT_REFUSED = (
        "placement_refused",
        "The order was refused for good after an attempt that may have made it.",
    )
    NOT_SENT = "not_sent", "The order could not be sent for a day, and may not be wanted any more."
    SUSPECTED_DUPLICATE = "suspected_duplicate", "CloudPress may have the order a second time."
    NOT_FOUND = "not_found", "CloudPress has answered 404 for the order, its task or its site for a day."
    UNANSWERED = (
        "unanswered",
        "CloudPress has given no usable answer about the order for a day.",
    )
    SITE_MISSING = "site_missing", "CloudPress finished the order a day ago and links no site to it."
    CREDENTIALS_REFUSED = "credentials_refused", "CloudPress does not take the account's API token."
    REDIRECTED = "redirected", "CloudPress answers with a redirect: its address may have changed."
    REFUSED = "refused", "CloudPress refuses the deployment rather than the order."
    ACCOUNT_UNKNOWN = "account_unknown", "No usable API token is stored for the order's account."
    FOREIGN_LINK = (
        "foreign_link",
        "The task or the site that CloudPress links to the order belongs to another one.",
    )
    PAYMENT_URL_UNUSABLE = (
        "payment_url_unusable",
        "CloudPress asks for a payment at an address that is no web page.",
    )
    PASS_BROKEN = "pass_broken", "A defect of Presshook keeps the order from going on."


class Suspicion(Code):
    """Why a CloudPress order may be one of ours."""

    CANDIDATE = "candidate", "All that CloudPress tells of it agrees with the order."
    SUSPECT = "suspect", "No order here holds it, and it may be this one, whatever CloudPress tells of it."
    ORPHAN = "orphan", "A restored database has lost whose it is, and its name is not surely another's."
    UNSEEN = "unseen", "CloudPress lists it, no order here holds it, and it was not looked at yet."
    DUPLICATE = "duplicate", "It may be this order a second time."


class Doubt(Code):
    """What is missing before it is sure that an order is not at CloudPress.

    Without any it may be sent again.
    """

    TOO_EARLY = "too_early", "The look-ups began before the grace was over."
    TOO_FEW = "too_few", "The list was not read twice."
    LIST_REPEATS = "list_repeats", "CloudPress's list shows the same page again and again."
    LIST_SHIFTED = (
        "list_shifted",
        "CloudPress's list changed while it was read, so something may be left out.",
    )
    LIST_TOO_LONG = "list_too_long", "CloudPress's list is too long to be read whole."
    NO_EARLIER_ORDER = (
        "no_earlier_order",
        "No order that was sent shortly before this one proves that the list goes back so far.",
    )
    NO_LATER_ORDER = (
        "no_later_order",
        "No order that was sent shortly after this one proves that the list shows what is so new.",
    )
    ORDERS_MISSING = "orders_missing", "CloudPress's list leaves out orders that it surely has."
    ORDERS_DIFFER = (
        "orders_differ",
        "CloudPress's list tells the account, the variant or the age of our orders otherwise than expected.",
    )
    RESTORED = (
        "restored",
        "The database was restored from a backup, so nobody knows when the order may have been sent.",
    )
    TAKEN_BY_NAME = (
        "taken_by_name",
        "Another order has what may be this one, by its name alone or by an answer that may be another's.",
    )
    LEFT_TO_PEOPLE = "left_to_people", "PLACE_AGAIN=never leaves placing again to people."
    OVERDUE = "overdue", "The order is more than a day old, and may not be wanted any more."
    REFUSED = "refused_for_good", "The order was refused for good."
    ADOPTED_IN_VAIN = (
        "adopted_in_vain",
        "An operator had it adopt what CloudPress does not show, or what another order has.",
    )
    UNKNOWN = "unknown", "A newer release of Presshook found something missing that this one does not know."


class ErrorCode(Code):
    """Why an order failed."""

    REJECTED = "rejected", "CloudPress refused the order for what is in it."
    TASK_FAILED = "task_failed", "CloudPress's task for the order failed."
    ORDER_FAILED = "order_failed", "CloudPress reports that the order failed."
    FAILED_BY_OPERATOR = "failed_by_operator", "An operator gave the order up."


@dataclass(frozen=True)
class Problem:
    """Why an order failed."""

    code: ErrorCode
    detail: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attention:
    """Why a person should look at an order, and what to do."""

    code: AttentionCode
    detail: str
    about: tuple[str, ...] = field(default=(), compare=False)
    """The CloudPress orders of which each may be it, where that is what is asked."""
