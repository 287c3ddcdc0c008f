"""`docs/vocabulary.md` lists every word on the wire with the sentence that the code has, and no other."""

from pathlib import Path

import pytest

from app.events.types import EventType
from app.maintenance.doctor.checks import Check
from app.states import AttentionCode, Code, Doubt, ErrorCode, OrderStatus, Suspicion, WaitingCode

PAGE = Path(__file__).parents[1] / "docs" / "vocabulary.md"
LISTED = {
    "Statuses of an order": OrderStatus,
    "Types of events": EventType,
    "Attention: why a person should look at an order": AttentionCode,
    "Waiting: why an order is not done": WaitingCode,
    "Doubts: why an order is not sent again": Doubt,
    "Suspicions: why a CloudPress order may be one of ours": Suspicion,
    "Errors: why an order failed": ErrorCode,
    "Checks of `presshook doctor`": Check,
}


def tables() -> dict[str, list[list[str]]]:
    """Return the rows of each section's table, without its head."""
    sections: dict[str, list[list[str]]] = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
        sections[heading] = [[cell.strip() for cell in row] for row in rows[2:]]
    return sections


def test_every_section_is_that_of_an_enumeration() -> None:
    assert tables().keys() == LISTED.keys()


@pytest.mark.parametrize("heading", LISTED)
def test_every_member_is_listed_with_its_sentence_and_nothing_else(heading: str) -> None:
    words: type[Code] = LISTED[heading]
    rows = tables()[heading]
    assert [row[:2] for row in rows] == [[f"`{word}`", word.sentence] for word in words]
    assert all(len(row) == 4 and all(row) for row in rows)


def test_a_word_means_one_thing_in_all_enumerations() -> None:
    words = [word for enumeration in LISTED.values() for word in enumeration]
    assert len(words) == len(set(words))
    assert all(word.sentence.endswith(".") for word in words)
