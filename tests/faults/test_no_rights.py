"""A state that may not be read or written, and a pool that may not: told with the name of the place, then gone on.

The modes are real, and so is the refusal: commands run without root's rights over files where root runs the suite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.trial import AGENTS, BEFORE, CHECK, CONTINUE, Trial, told
from tests.support.lowered import without_rights

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

LAUNCHER = without_rights()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LAUNCHER is None, reason="root reads everything, and there is no way to run without its rights"),
    pytest.mark.leaves_worktrees("an attempt that was refused keeps its tree"),
]

STATE, PRIVATE, POOL, OBJECTS, HEADS = "state", "private", "pool", "objects", "heads"


def place_of(trial: Trial, what: str) -> Path:
    return {
        STATE: trial.ours / "state",
        PRIVATE: trial.ours,
        POOL: trial.fleet.root / "pool",
        OBJECTS: trial.repo / ".git/objects",
        HEADS: trial.repo / ".git/refs/heads",
    }[what]


def hold(fleet: FleetEnv, what: str, moment: str, mode: int) -> None:
    assert LAUNCHER is not None
    fleet.launcher = LAUNCHER
    trial = Trial(fleet, moment, config={"worktrees": {"root": str(fleet.root / "pool")}})
    place = place_of(trial, what)
    place.mkdir(parents=True, exist_ok=True)
    try:
        outcome = told(trial.go(lambda _: place.chmod(mode)))
        trial.look()
    finally:
        place.chmod(0o700)
    if (what, moment, mode) == (POOL, CHECK, 0o500):
        # All trees that this session needs are there; the one in which candidates are checked could not be taken away.
        trial.landed(tidy=False)
        return
    assert outcome.code in {3, 4}, outcome.text
    assert "ermission denied" in outcome.out + outcome.err, outcome.text
    assert str(place) in outcome.out + outcome.err, outcome.text
    trial.land()


def test_a_state_that_may_not_be_written_any_more_stops_the_session(fleet: FleetEnv) -> None:
    hold(fleet, STATE, AGENTS, 0o500)


@pytest.mark.slow
@pytest.mark.share(4)
@pytest.mark.parametrize("moment", [BEFORE, CONTINUE])
def test_a_state_that_may_not_be_read_is_told(fleet: FleetEnv, moment: str) -> None:
    hold(fleet, PRIVATE, moment, 0)


def test_a_pool_that_may_not_be_written_stops_the_session(fleet: FleetEnv) -> None:
    hold(fleet, POOL, BEFORE, 0o500)


@pytest.mark.parametrize("moment", [CHECK, CONTINUE])
def test_a_target_that_may_not_be_moved_stops_the_session(fleet: FleetEnv, moment: str) -> None:
    hold(fleet, HEADS, moment, 0o500)


@pytest.mark.slow
@pytest.mark.share(4)
@pytest.mark.parametrize("moment", [BEFORE, AGENTS, CHECK, CONTINUE])
@pytest.mark.parametrize(("what", "mode"), [(STATE, 0), (PRIVATE, 0o500), (POOL, 0o500), (OBJECTS, 0o500)])
def test_a_place_without_rights_stops_the_session_and_loses_nothing(
    fleet: FleetEnv, what: str, mode: int, moment: str
) -> None:
    hold(fleet, what, moment, mode)
