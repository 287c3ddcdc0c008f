"""The provider's own schedule of a callback's retries."""

from itertools import pairwise

from app.sandbox.retries import GIVE_UP_SECONDS, next_try_seconds


def test_the_tries_of_a_callback_that_is_never_taken() -> None:
    tries = [0.0]
    while (wait := next_try_seconds(tries[-1])) is not None:
        tries.append(tries[-1] + wait)
    minutes = [seconds / 60 for seconds in tries]
    assert minutes[:6] == [0, 2, 4, 6, 11, 26]
    assert {later - earlier for earlier, later in pairwise(minutes[4:])} == {15}
    assert GIVE_UP_SECONDS - 15 * 60 < tries[-1] <= GIVE_UP_SECONDS
