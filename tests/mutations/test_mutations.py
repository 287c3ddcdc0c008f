"""The mutations fit the code: a list of what to break that names what is gone would prove nothing."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.mutations.mutation import Mutation
from tests.mutations.rows import MUTATIONS

ROOT = Path(__file__).parents[2]


def said(file: str, text: str) -> str:
    """Return what a text says to whoever reads the file: of Python, without its comments and its lines."""
    return ast.dump(ast.parse(text)) if file.endswith(".py") else text


@cache
def whole(file: str) -> str:
    """Return what an unbroken file says."""
    return said(file, (ROOT / file).read_text())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_what_a_mutation_breaks_is_there_once_and_still_runs_broken(mutation: Mutation) -> None:
    assert said(mutation.file, mutation.broken(ROOT)) != whole(mutation.file)


def test_each_has_a_name_of_its_own_and_a_proof_that_is_there() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    for mutation in MUTATIONS:
        assert mutation.proofs, mutation.name
        for path in (it for proof in mutation.proofs for it in proof.command if it.startswith("tests/")):
            assert (ROOT / path).exists(), path
