"""Random plans, agents and persons: the target only ever moves to what passes, in scope, and nothing is lost."""

from __future__ import annotations

import random

import pytest

from tests.property.session_cases import Case, Doing
from tests.property.sessions import example, soak


def of(*behaviours: str, person: str = "") -> tuple[Doing, ...]:
    return tuple(Doing(behaviour, person) for behaviour in behaviours)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.share(2)
def test_more_sessions() -> None:
    """Others every time; a failure prints its case and its seed."""
    number = random.SystemRandom().randrange(2**32)
    soak(8, number)


@pytest.mark.parametrize(
    "case",
    [
        Case(of("breaks one half", "works", "breaks the other")),
        Case(of("works", person="takes a secret back"), agents=1),
    ],
    ids=["breaks together", "secret taken back"],
)
def test_cases_that_are_always_tried(case: Case) -> None:
    example(case)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        Case(of("edits what is shared", person="edits what is shared"), conflict="resolver", attempts=2),
        Case(of("needs mending", "mends", "breaks at first"), attempts=2, strike=("check", "KILL")),
        Case(of("leaves its scope", "works"), of("strays into another's"), violation="spill", strike=("done", "INT")),
        Case(of("rots the target", "breaks", "works"), rotten=True, allows=True),
    ],
    ids=["conflicts with the person", "mended and killed", "spilled beside another", "no worse"],
)
def test_cases_of_every_policy(case: Case) -> None:
    example(case)
