"""What a person is told of CloudPress orders that look like one order, or may be another's. Pure."""

from collections.abc import Collection, Iterable

from app.states.attention import AND_OTHERS, listed, tells_of
from app.states.codes import Attention, AttentionCode

CANCEL_NOTHING = "cancel nothing before"
_BY_ITS_NAME = "by its name, and CloudPress named the same"
_MIXED_UP = "CloudPress may have mixed up its answers to two orders"
_BESIDE = " CloudPress also has "


def doubled(
    held: str | None,
    others: Iterable[str],
    mixed_up: Collection[str] = (),
    claimed: Collection[str] = (),
    *,
    by_answer: bool = False,
    unwanted: bool = False,
) -> Attention:
    """Say that CloudPress may have an order twice, or one that was taken for never made.

    What is `claimed` another order here has by its name, or it may be that one's, so nobody is told to cancel
    it. Of `mixed_up` its own callbacks say that they are this one, and of what it holds they say nothing; or
    it is what this one holds, by its name or, if so, `by_answer`. One that is `unwanted` is not placed again.
    """
    # Where a person is told of what it holds alone, all others stand beside that: none is dismissed unseen.
    told = {held} if held in mixed_up else mixed_up
    beside = [each for each in others if each not in told]
    also = f"{_BESIDE}{listed(beside)}, which looks like it." if beside else ""
    if held in mixed_up and by_answer:
        return _suspected(_answered_to_both(held) + also)
    if held in mixed_up:
        return _suspected(_held_by_its_name(held, unwanted=unwanted) + also)
    if mixed_up:
        return _suspected(_called_back_for_another(held, mixed_up) + also)
    if claimed:
        return _suspected(_claimed_by_another(held, others, claimed))
    if held is None:
        return _suspected(
            f"CloudPress has {listed(others)}, which looks like this order, of which it seemed not "
            "to have heard. Look at it in CloudPress, and cancel it there if nobody wants it; this goes once "
            "it is. If it is another's, resolve the order: dismiss duplicates."
        )
    return _suspected(
        f"CloudPress may have this order twice: it is {held}, and "
        f"{listed(others)} looks like it. Compare them in CloudPress and cancel the one too many; "
        "this goes once it is. If both are wanted, resolve the order: dismiss duplicates."
    )


def left_alone(held: str | None, others: Iterable[str]) -> Attention:
    """Say that CloudPress shows what an order holds no more, and has another that looks like it."""
    return _suspected(
        f"CloudPress has answered 404 for a day for {held}, for which this order is taken, and has "
        f"{listed(others)}, which looks like it. Find out in CloudPress which one is this order's, and "
        f"{CANCEL_NOTHING}. If only the other one is left, hand out its site yourself. Then resolve the "
        "order: dismiss duplicates; and fail it, if CloudPress has what it holds no more."
    )


def tells_of_mix_up(detail: str) -> bool:
    """Tell whether what a person is told says that an order may hold another's."""
    return _MIXED_UP in detail


def told_as_mixed_up(detail: str, order_ids: Iterable[str]) -> set[str]:
    """Return those CloudPress orders of which a person was told that they may be mixed up with an order.

    What was told of as something that only looks like it is none of those. Where there were too many to name,
    all others are.
    """
    mixed_up, _, beside = detail.partition(_BESIDE)
    is_cut_short = AND_OTHERS in mixed_up
    return {it for it in order_ids if tells_of(mixed_up, it) or (is_cut_short and not tells_of(beside, it))}


def tells_of_anothers(detail: str) -> bool:
    """Tell whether a person is told that an order may hold another's, by an answer or by its name."""
    return tells_of_mix_up(detail) or _BY_ITS_NAME in detail


def tells_to_cancel_nothing(detail: str) -> bool:
    """Tell whether a person is told to find out whose an order is, and not to cancel one of two before."""
    return CANCEL_NOTHING in detail


def _suspected(detail: str) -> Attention:
    return Attention(AttentionCode.SUSPECTED_DUPLICATE, detail)


def _held_by_its_name(held: str | None, *, unwanted: bool) -> str:
    words = "Or resolve this one: place again, or fail."
    if unwanted:
        words = "Its client wants it cancelled, so it is not placed again. Or resolve this one: fail."
    return (
        f"This order was taken for {held} {_BY_ITS_NAME} in its answer to "
        "another order here, or in a callback for it, so one of the two was not made. Find out in "
        f"CloudPress whose it is, and {CANCEL_NOTHING}. If it is this order's, resolve the order: dismiss "
        "duplicates. If it is the other's, hand out nothing of it, and have that one adopt it: this one is "
        f"looked for anew. {words} Where it has ended, order anew for whoever is without a site."
    )


def _answered_to_both(held: str | None) -> str:
    return (
        f"CloudPress answered with {held}, which this order holds, and answered another order here with the "
        f"same, or called back for that one with it: {_MIXED_UP}. Find out in CloudPress by the name of its "
        f"site whose it is, and {CANCEL_NOTHING}. If it is this order's, resolve the order: dismiss "
        "duplicates. If not, hand out its site yourself: nothing of it is told here; and if the order has "
        "not ended, resolve it: fail."
    )


def _called_back_for_another(held: str | None, named: Collection[str]) -> str:
    return (
        f"This order holds {held}, and a callback for it, or a task that it was answered with, names "
        f"{listed(named)} instead: {_MIXED_UP}, "
        "or have this one twice. Compare them in CloudPress by the names of their sites, and "
        f"{CANCEL_NOTHING}. If {held} is this order's, resolve the order: dismiss duplicates. If not, "
        "hand out its site yourself: nothing of it is told here; and if the order has not ended, resolve "
        "it: fail."
    )


def _claimed_by_another(held: str | None, others: Iterable[str], claimed: Collection[str]) -> str:
    seems = "It seemed not to have heard of this order" if held is None else f"This order is {held}"
    return (
        f"CloudPress has {listed(others)}, which looks like this order. {seems}, and another order here "
        f"has {listed(claimed)} by its name, or it may be that one's. Find out in CloudPress whose that is, "
        f"and {CANCEL_NOTHING}. If it is the other's, resolve the order: dismiss duplicates."
    )
