"""How long something lasts is counted from look to look, by the clock that can tell."""

from datetime import UTC, datetime, timedelta

import pytest

from app.db.lasting import Met, Moment, Span, known_since, lasted, looked_past, met_again

BEGAN = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(seconds: float, *, boot: str = "machine", stepped: float = 0.0) -> Moment:
    """Return a moment some seconds after the first look; the wall clock may have stepped."""
    return Moment(BEGAN + timedelta(seconds=seconds + stepped), boot, 5000.0 + seconds)


def seconds(met: Met | None, now: Moment, span: Span) -> float:
    return lasted(met, now, span).total_seconds()


@pytest.mark.parametrize("span", Span)
def test_the_first_look_meets_with_something_that_has_not_lasted(span: Span) -> None:
    assert seconds(None, at(0), span) == seconds({}, at(0), span) == 0
    assert seconds(met_again(None, at(0)), at(0), span) == 0


def test_what_passes_between_looks_is_added_up() -> None:
    met = met_again(met_again(met_again(None, at(0)), at(60)), at(100))
    assert seconds(met, at(250), Span.MINUTES) == seconds(met, at(250), Span.HOURS) == 250


def test_of_a_gap_only_so_much_counts() -> None:
    met = met_again(None, at(0))
    assert seconds(met, at(86400), Span.MINUTES) == Span.MINUTES.value
    assert seconds(met, at(86400), Span.HOURS) == Span.HOURS.value
    again = met_again(met, at(86400))
    assert seconds(again, at(86460), Span.MINUTES) == Span.MINUTES.value + 60
    assert seconds(again, at(86460), Span.HOURS) == Span.HOURS.value + 60


@pytest.mark.parametrize("stepped", [-86400.0, 86400.0])
def test_no_step_of_a_clock_counts_on_one_machine(stepped: float) -> None:
    met = met_again(None, at(0))
    assert seconds(met, at(60, stepped=stepped), Span.HOURS) == 60


@pytest.mark.parametrize(("stepped", "counted"), [(0.0, 60.0), (-86400.0, 0.0), (86400.0, 21600.0)])
def test_between_two_machines_the_wall_clock_tells(stepped: float, counted: float) -> None:
    met = met_again(None, at(0))
    assert seconds(met, at(60, boot="another", stepped=stepped), Span.HOURS) == counted


def test_machines_that_come_and_go_leave_nothing_behind() -> None:
    met: dict[str, float] = {}
    for number in range(100):
        met = met_again(met, at(60.0 * number, boot=f"machine {number}"))
    assert seconds(met, at(6000, boot="the last"), Span.MINUTES) == 6000
    assert len(met) == len(Span) + 2


@pytest.mark.parametrize("boot", ["machine", "another"])
@pytest.mark.parametrize(("passed", "counted"), [(-60.0, 0.0), (60.0, 60.0), (86400.0, 21600.0)])
def test_of_what_is_known_since_the_first_look_alone_a_gap_counts(
    boot: str, passed: float, counted: float
) -> None:
    met = known_since(BEGAN)
    assert seconds(met, at(passed, boot=boot), Span.HOURS) == counted
    again = met_again(met, at(passed, boot=boot))
    assert seconds(again, at(passed + 60, boot=boot), Span.HOURS) == counted + 60


def test_a_look_that_could_not_tell_counts_for_nothing() -> None:
    met = looked_past(met_again(met_again(None, at(0)), at(60)), at(300))
    assert seconds(met, at(310), Span.MINUTES) == 70
