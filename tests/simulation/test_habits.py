"""That a seed draws the same habits each time, and that each habit makes CloudPress other than convenient."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from app.cloudpress import OrderSummary
from tests.simulation.habits import HABITS, NOT_DRAWN, PLACID, TIDYINGS, Habits, draw
from tests.simulation.provider import MadeOrder

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def made(number: int, *, ours: bool = False, minutes_ago: float = 60) -> MadeOrder:
    """Return an order that CloudPress has."""
    return MadeOrder(
        id=f"cp-{number}",
        number=number,
        local_id=None,
        callback=("https://presshook.test", "Bearer x") if ours else None,
        name="Shop",
        variant="vanilla",
        account="acct",
        created_at=NOW - timedelta(minutes=minutes_ago),
        task_id=number,
    )


def having(habit: str, **drawn: object) -> Habits:
    """Return a world's habits with one of them, drawn as told."""
    habits = Habits(Random(1), frozenset({habit}))
    for name, value in drawn.items():
        assert hasattr(habits, name)
        setattr(habits, name, value)
    return habits


def test_a_seed_draws_the_same_habits_each_time() -> None:
    assert [str(draw(seed)) for seed in range(50)] == [str(draw(seed)) for seed in range(50)]


def test_each_habit_is_drawn_often_enough_alone_together_and_not_at_all() -> None:
    worlds = [draw(seed).drawn for seed in range(600)]
    seen = Counter(habit for drawn in worlds for habit in drawn)
    assert all(seen[habit] > 50 for habit in HABITS.keys() - NOT_DRAWN)
    assert not seen.keys() & NOT_DRAWN
    assert sum(not drawn for drawn in worlds) > 60
    assert seen[PLACID] > 20
    assert all(drawn == {PLACID} for drawn in worlds if PLACID in drawn)


def test_a_forced_habit_comes_alone() -> None:
    assert {draw(seed, "lag").drawn for seed in range(20)} == {frozenset({"lag"})}


@pytest.mark.parametrize(
    ("tidying", "name", "kept"),
    [
        ("nfc", "Cafe\u0301", "Caf\u00e9"),
        ("entities", "Anna's", "Anna&#39;s"),
        ("without quotes", "Anna's \u201cShop\u201d", "Annas Shop"),
        ("straight quotes", "\u201cShop\u201d", '"Shop"'),
        ("curled quotes", "Anna's", "Anna\u2019s"),
        ("without emoji", "Shop \U0001f6cd", "Shop ?"),
        ("slug", "Anna's Shop", "anna-s-shop"),
        ("lower", "SHOP", "shop"),
        ("collapsed", " Two  Spaces ", "Two Spaces"),
        ("cut", "The long name of a shop", "The long nam"),
    ],
)
def test_names_are_kept_otherwise(tidying: str, name: str, kept: str) -> None:
    assert having("names", tidying=tidying).tidied(name) == kept


def test_every_tidying_is_tested() -> None:
    [mark] = test_names_are_kept_otherwise.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == TIDYINGS.keys()


def test_a_page_that_is_ignored_comes_again_for_ever() -> None:
    orders = [made(number) for number in range(10)]
    assert having("pages", pages="first for ever").listed(orders, 9, 4, NOW) == orders[:4]
    assert having("pages", pages="last for ever").listed(orders, 9, 4, NOW) == orders[8:]
    assert having("pages", pages="short").listed(orders, 1, 4, NOW) == orders[:2]


def test_a_list_lags_and_hides() -> None:
    young, old = made(1, minutes_ago=5), made(2, minutes_ago=30)
    assert having("lag", lag_seconds=600.0).listed([young, old], 1, 4, NOW) == [old]
    hiding = having("hiding", hiding="finished", hiding_seconds=None)
    old.task_status = "OK"
    assert hiding.listed([young, old], 1, 4, NOW) == [young]


def test_a_time_without_a_zone_is_read_as_another_moment() -> None:
    told = having("zones", zone="naive west").created_at(NOW, 1)
    assert OrderSummary(id="cp-1", created_at=told).created_at != NOW
    told = having("zones", zone="offset").created_at(NOW, 1)
    assert OrderSummary(id="cp-1", created_at=told).created_at == NOW
