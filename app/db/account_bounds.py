"""Which accounts a thing is for, and how many things an account's keys may make, whichever of them does."""

from collections import Counter
from collections.abc import Collection, Iterable


def most_of_one(bound: Iterable[Collection[str] | None], account_ids: Collection[str] | None) -> int:
    """Return how many things the one of these accounts has that has the most.

    `bound` says of each thing which accounts it is for, None for all. With None for the accounts, return how
    many things are for all: those count for no account, so that nobody's things leave others no room.

    Counting by single accounts leaves no way around: a key for many accounts could make things for any
    selection of them.
    """
    if account_ids is None:
        return sum(each is None for each in bound)
    wanted = set(account_ids)
    of_each = Counter(account for each in bound if each is not None for account in wanted.intersection(each))
    return max(of_each.values(), default=0)


def is_within(bound: Collection[str] | None, account_ids: Collection[str] | None) -> bool:
    """Tell whether a thing is for no more than these accounts; None stands for every account."""
    return account_ids is None or (bound is not None and set(bound) <= set(account_ids))
