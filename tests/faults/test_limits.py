"""Too few open files or processes for a session: it says so, stops as one to continue, and goes on afterwards.

The limits are the system's. That on processes does not hold for root, so where root runs the suite its test runs as a
user who has none yet.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.trial import BEFORE, CONTINUE, SLOW, Trial, told
from tests.support.fleet import FleetEnv
from tests.support.lowered import another_user, limited

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("an attempt that could not be started keeps its tree")]


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("number", "moment"), [pytest.param(8, BEFORE, marks=SLOW), pytest.param(12, BEFORE, marks=SLOW), (12, CONTINUE)]
)
def test_too_few_open_files_are_told(fleet: FleetEnv, number: int, moment: str) -> None:
    trial = Trial(fleet, moment)

    def lower(_: Trial) -> None:
        fleet.launcher = limited(NOFILE=number)

    outcome = told(trial.go(lower))
    trial.look()
    fleet.launcher = ()
    assert outcome.code in {3, 4}, outcome.text
    assert "Too many open files" in outcome.out + outcome.err, outcome.text
    trial.land()


@pytest.mark.slow
def test_forty_open_files_are_enough(fleet: FleetEnv) -> None:
    fleet.launcher = limited(NOFILE=40)
    trial = Trial(fleet, BEFORE)
    trial.go(lambda _: None).ok()
    trial.landed()


UID = 60_000 + os.getpid() % 5_000
"""A user of this process of the suite alone."""


@pytest.fixture
def few() -> Iterator[FleetEnv]:
    """Repositories of another user."""
    root = Path(tempfile.mkdtemp(prefix="gitfleet-few-")).resolve()
    env = FleetEnv(root)
    # What the test itself asks git is asked by root.
    asked = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    env.variables |= {"HOME": str(root), "TMPDIR": str(root), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", **asked}
    yield env
    env.close()
    shutil.rmtree(root, ignore_errors=True)


def own(root: Path) -> None:
    """Give everything there to the user."""
    for path in (root, *root.rglob("*")):
        os.chown(path, UID, UID, follow_symlinks=False)


@pytest.mark.slow
@pytest.mark.skipif(bool(os.geteuid()), reason="only root can become a user without other processes")
@pytest.mark.parametrize("number", [2, 4])
def test_too_few_processes_are_told(few: FleetEnv, number: int) -> None:
    user = another_user(UID)
    if user is None:
        pytest.skip("root cannot become another user that reads this checkout")
    trial = Trial(few, BEFORE)
    own(few.root)
    few.launcher = (*user, *limited(NPROC=number))
    outcome = told(trial.go(lambda _: None))
    few.launcher = user
    assert outcome.code in {3, 4}, outcome.text
    assert "emporarily unavailable" in outcome.text or "no room for a thread" in outcome.text, outcome.text
    trial.land()
