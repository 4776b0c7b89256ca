"""Random plans, agents and persons: the target only ever moves to what passes, in scope, and nothing is lost."""

from __future__ import annotations

import random

import pytest

from tests.property.sessions import Case, Doing, example, soak

HALVES = tuple(Doing(what, "", frozenset(), wide=True) for what in ("breaks one half", "works", "breaks the other"))


def test_a_few_sessions() -> None:
    """Others every time; a failure prints its case and its seed."""
    number = random.SystemRandom().randrange(2**32)
    soak(3, number)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_more_sessions() -> None:
    """The same, for longer."""
    number = random.SystemRandom().randrange(2**32)
    soak(25, number)


@pytest.mark.parametrize(
    "case",
    [
        Case(HALVES, 3, rolling=False, checks=True),
        Case((Doing("works", "takes a secret back", frozenset(), wide=True),), 1, rolling=False, checks=True),
        Case((Doing("edits what is shared", "edits what is shared", frozenset(), wide=False),), 1, False, True),
    ],
    ids=["breaks together", "secret taken back", "conflicts with the person"],
)
def test_cases_that_are_always_tried(case: Case) -> None:
    example(case)
