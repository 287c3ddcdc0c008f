"""What `make prove` makes of how proofs end: no failure of one is overlooked."""

import pytest

from tests.prove import failures_of


@pytest.mark.parametrize(
    ("said", "status", "failures"),
    [
        ("12 passed in 3.21s (0:00:03)", 0, 0),
        ("FAILED tests/test_x.py::test_y\n2 failed, 10 passed in 3.21s", 1, 2),
        ("1 failed, 10 passed, 3 errors in 3.21s", 1, 4),
        ("10 seeds, 2.31 a second, 40 orders, 0 failed, 7 crashes\n", 0, 0),
        (
            "9 seeds, 2.3 a second, 2 failed\n10 seeds, 2.3 a second, 3 failed\nseed 3: lost\n 1.0 2 failed",
            1,
            3,
        ),
        ("| a | **nothing** (x passes) | 3 |\n\n39 of 41 caught", 1, 2),
        ("41 of 41 caught", 0, 0),
        ("Segmentation fault", -11, 1),
        ("", 2, 1),
    ],
)
def test_failures_are_counted(said: str, status: int, failures: int) -> None:
    assert failures_of(said, status) == failures
