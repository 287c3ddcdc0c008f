"""What a person is told: why an order asks for attention, and what to do about it."""

from collections.abc import Iterable
from dataclasses import replace

from app.states.codes import Attention, AttentionCode
from app.states.observations import NotFoundYet, Trouble, Word

NAMED_AT_MOST = 5
AND_OTHERS = " and others"
OF_PLACEMENTS = frozenset(
    {
        AttentionCode.PLACEMENT_AMBIGUOUS,
        AttentionCode.PLACEMENT_CALLED_BACK,
        AttentionCode.PLACEMENT_REFUSED,
        AttentionCode.PLACEMENT_SUSPECTED,
        AttentionCode.PLACEMENT_UNCONFIRMED,
    }
)
"""What is asked where an order was sent, and is not found."""
OF_THOSE_FOUND = frozenset({AttentionCode.PLACEMENT_AMBIGUOUS, AttentionCode.PLACEMENT_SUSPECTED})
"""What of that is asked about CloudPress orders, each of which may be it."""
REFUSALS = frozenset({AttentionCode.CREDENTIALS_REFUSED, AttentionCode.REDIRECTED, AttentionCode.REFUSED})
"""What is told where CloudPress refuses the deployment rather than an order."""
OF_WHAT_IT_HAS = frozenset(
    {
        AttentionCode.FOREIGN_LINK,
        AttentionCode.NOT_FOUND,
        AttentionCode.PAYMENT_URL_UNUSABLE,
        AttentionCode.SITE_MISSING,
        AttentionCode.UNANSWERED,
    }
)
"""What is asked because of what CloudPress shows, or does not, of the one that an order has there."""
OF_TROUBLE = REFUSALS | {AttentionCode.ACCOUNT_UNKNOWN, AttentionCode.UNANSWERED}
"""What is told where nothing could be learned: it says nothing of what has come in by then."""
RESOLVE = "Then resolve the order: adopt that CloudPress order, place again, or fail."
RESOLVE_UNWANTED = (
    "Its client wants it cancelled, so it is not placed again. Then resolve the order: adopt that CloudPress "
    "order, so that it is cancelled there, or fail."
)
CALLED_BACK_TOO = "A callback was let in for this order too, so CloudPress has it."

NO_TOKEN = Attention(
    AttentionCode.ACCOUNT_UNKNOWN,
    "No API token that can be decrypted is stored for the order's CloudPress account: store it (again). "
    "The order goes on by itself. If the account is gone for good, resolve the order: fail; or cancel it, if "
    "it was not sent.",
)
NO_TOKEN_AFTER_ITS_END = Attention(
    AttentionCode.ACCOUNT_UNKNOWN,
    "This order has ended, and whether CloudPress has it a second time, or at all, is yet to be seen: no "
    "API token that can be decrypted is stored for its CloudPress account. Store it (again), and Presshook "
    "goes on by itself. If the account is gone for good, look there yourself, and resolve the order: "
    "dismiss duplicates.",
)
MISSING = Attention(
    AttentionCode.NOT_FOUND,
    "CloudPress has answered 404 for this order, its task or its site for a day. Ask CloudPress what "
    "became of it; Presshook goes on asking. If CloudPress has it no more, resolve the order: fail.",
)
UNANSWERED = Attention(
    AttentionCode.UNANSWERED,
    "For a day each look at this order has met with a request to CloudPress that failed, so not all of "
    "it is known. If CloudPress works otherwise, ask it about this order; Presshook goes on asking. "
    "If nothing will come of it, resolve the order: fail.",
)
UNANSWERED_AFTER_ITS_END = Attention(
    AttentionCode.UNANSWERED,
    "This order has ended, and whether CloudPress has it a second time, or at all, is yet to be seen: for a "
    "day each look has met with a request to CloudPress that failed. Presshook goes on asking. If that is to "
    "stay so, look there yourself, and resolve the order: dismiss duplicates.",
)
NO_SITE = Attention(
    AttentionCode.SITE_MISSING,
    "CloudPress has finished this order and has linked no site to it for a day. Ask CloudPress which site is "
    "this order's; Presshook goes on asking. If none ever will be, resolve the order: fail.",
)
NOT_CANCELLED = Attention(
    AttentionCode.UNANSWERED,
    "CloudPress agreed to cancel this order, and for a day it has not shown it as cancelled. Ask CloudPress "
    "what becomes of it; Presshook goes on asking. If nothing does, resolve the order: fail.",
)

NOT_SENT = Attention(
    AttentionCode.NOT_SENT,
    "The order could not be sent for a day, so it waits for a person. If it is still wanted, resolve it: "
    "place again. Otherwise cancel it.",
)


FOREIGN_LINK = Attention(
    AttentionCode.FOREIGN_LINK,
    "CloudPress links a task or a site to this order that names another order, or that another order here "
    "has. Nothing is taken from it. Ask CloudPress which site is this order's; the order goes on by itself "
    "once that fits. If it never will, resolve the order: fail.",
)
NO_PAYMENT_PAGE = Attention(
    AttentionCode.PAYMENT_URL_UNUSABLE,
    "CloudPress waits for a payment and gives an address that is no http(s) page, which is shown to nobody. "
    "Ask CloudPress where the end user pays, or look at the order there. The order goes on by itself.",
)


CALLED_BACK_AFTER_ITS_END = Attention(
    AttentionCode.PLACEMENT_CALLED_BACK,
    "This order ended as one that CloudPress never had, and a callback was let in for it all the same, so "
    "CloudPress seems to have it. Look for it there by its site's name, and cancel it there if nobody wants "
    "it. Then resolve the order: dismiss duplicates.",
)


def called_back_after_its_end(held: str | None, *, is_cancelled: bool) -> Attention:
    """Say that CloudPress goes on with an order that ended without it."""
    if held is None:
        return CALLED_BACK_AFTER_ITS_END
    ended = "was failed by an operator"
    if is_cancelled:
        ended = "was taken for cancelled, as CloudPress was asked to and did not show it any more"
    return Attention(
        AttentionCode.PLACEMENT_CALLED_BACK,
        f"This order {ended}, and a callback was let in for it since, so CloudPress seems to go on with it. "
        f"Look at {held} there, and cancel it there if nobody wants it. Then resolve the order: dismiss "
        "duplicates.",
    )


def defect(where: str) -> Attention:
    """Say that a defect of ours keeps an order from going on."""
    return Attention(AttentionCode.PASS_BROKEN, f"A defect of Presshook ({where}): report it.")


def refused(trouble: Trouble | None) -> Attention | None:
    """Ask for attention where CloudPress refuses the deployment rather than the order."""
    status = trouble.status if trouble else None
    if status in {401, 403}:
        return Attention(
            AttentionCode.CREDENTIALS_REFUSED,
            f"CloudPress answered {status}: check the account's API token, its list of allowed addresses "
            "and that the account is no trial. The order goes on by itself once CloudPress accepts it.",
        )
    if status is not None and 300 <= status < 400:
        return Attention(
            AttentionCode.REDIRECTED,
            f"CloudPress answered {status}, a redirect: check CLOUDPRESS_BASE_URL. The order goes on by "
            "itself once the address is right.",
        )
    if status is not None and 400 <= status < 500 and status not in {404, 408, 429}:
        return Attention(
            AttentionCode.REFUSED,
            f"CloudPress answered {status}, which is not about the order: ask its support why. The order "
            "goes on by itself once CloudPress does not refuse it any more.",
        )
    return None


def unconfirmed(sought: NotFoundYet) -> Attention:
    """Tell the operator why an order is neither found nor placed again, what is known, and what to do."""
    if sought.word is not None and not sought.word.still_holds:
        return _overtaken(sought, sought.word)
    if sought.candidates or sought.suspects:
        return with_callback(_may_be_it(sought), is_called_back=sought.called_back)
    if sought.called_back:
        return Attention(
            AttentionCode.PLACEMENT_CALLED_BACK,
            "A callback was let in for this order, so CloudPress has it, but which one it is was not found. "
            f"Look for it in CloudPress by its site's name. {_resolve(sought)}",
        )
    if sought.refused:
        return _refused_for_good(sought)
    return Attention(
        AttentionCode.PLACEMENT_UNCONFIRMED,
        f"The order was sent to CloudPress, and whether it arrived is not known. {_missing_proof(sought)} "
        f"Look for it in CloudPress by its site's name. {_resolve(sought)}",
    )


def _resolve(sought: NotFoundYet) -> str:
    """Say which words of an operator the order takes."""
    return RESOLVE_UNWANTED if sought.unwanted else RESOLVE


def _may_be_it(sought: NotFoundYet) -> Attention:
    if len(sought.candidates) > 1 or (sought.candidates and sought.look_alike):
        beside = f" CloudPress also has {_shown(sought.suspects)}." if sought.suspects else ""
        return Attention(
            AttentionCode.PLACEMENT_AMBIGUOUS,
            f"More than one order could be CloudPress's {_shown(sought.candidates)}.{beside} Find out in "
            f"CloudPress which one is this order's. {_resolve(sought)}",
            about=(*sought.candidates, *sought.suspects),
        )
    known = _shown((*sought.candidates, *sought.suspects))
    return Attention(
        AttentionCode.PLACEMENT_SUSPECTED,
        f"CloudPress has {known}, which may be this order, whatever name it tells. Look at it in "
        f"CloudPress. {_resolve(sought)} If it is another's, resolve the order: dismiss duplicates.",
        about=(*sought.candidates, *sought.suspects),
    )


def with_callback(asked: Attention, *, is_called_back: bool) -> Attention:
    """Return what is asked about an order, and beside it that it was called back, unless it tells so."""
    is_told = asked.code is AttentionCode.PLACEMENT_CALLED_BACK or tells_of_callbacks(asked.detail)
    if is_told or not is_called_back:
        return asked
    return replace(asked, detail=f"{asked.detail} {CALLED_BACK_TOO}")


def tells_of_callbacks(detail: str) -> bool:
    """Tell whether what a person is told beside something else names a callback that was let in."""
    return CALLED_BACK_TOO in detail


def _overtaken(sought: NotFoundYet, word: Word) -> Attention:
    if word.called_back:
        return Attention(
            AttentionCode.PLACEMENT_CALLED_BACK,
            "Since it was asked to place this order again, a callback was let in for it, so it was not: "
            f"CloudPress seems to have it. Look for it there by its site's name. {_resolve(sought)}",
        )
    return Attention(
        AttentionCode.PLACEMENT_SUSPECTED,
        f"Since it was asked to place this order again, CloudPress shows {_shown(word.unknown)}, so it was "
        f"not: this may be it. Look at it in CloudPress. {_resolve(sought)}",
    )


def _refused_for_good(sought: NotFoundYet) -> Attention:
    reasons = f": {'; '.join(sought.reasons)}" if sought.reasons else "."
    return Attention(
        AttentionCode.PLACEMENT_REFUSED,
        f"An attempt to place this order was refused for good{reasons} An attempt may have made it all the "
        f"same. {_missing_proof(sought)} Look for it in CloudPress by its site's name. {_resolve(sought)}",
    )


def _missing_proof(sought: NotFoundYet) -> str:
    """Say what is missing before the order may be sent again without a person."""
    doubts = sought.open_doubts if sought.unwanted else (*sought.open_doubts, *sought.reservations)
    if not doubts and (sought.trouble is not None or sought.unfinished):
        return "The last look at CloudPress came to no end, so nothing is done before the next one."
    if not doubts:
        return "It was not found, and nothing may be sent to CloudPress at the moment (PLACING=off)."
    undone = "taken for cancelled" if sought.unwanted else "sent again"
    return f"It is not {undone} by itself: {' '.join(doubt.sentence for doubt in doubts)}"


def _shown(order_ids: Iterable[str]) -> str:
    """Name what a look showed, in one order: which looks more like it may change with each look."""
    return listed(sorted({*order_ids}))


def listed(order_ids: Iterable[str]) -> str:
    """Name some CloudPress orders, and say that there are others."""
    named = tuple(order_ids)
    return ", ".join(named[:NAMED_AT_MOST]) + (AND_OTHERS if len(named) > NAMED_AT_MOST else "")


def is_asked_already(asked: Attention, before: str | None, detail: str) -> bool:
    """Tell whether it was asked before about the same CloudPress orders, by code and detail of before.

    How much those look like it may change with each look, where they are shown now and then.
    """
    if asked.code not in OF_THOSE_FOUND or before not in OF_THOSE_FOUND or not asked.about:
        return False
    return all(tells_of(detail, order_id) for order_id in asked.about)


def tells_of(detail: str, order_id: str) -> bool:
    """Tell whether what a person is told names a CloudPress order."""
    return any(f" {order_id}{end}" in f" {detail} " for end in (" ", ", ", ". "))
