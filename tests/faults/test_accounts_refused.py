"""The state of a person's accounts on a disk that is full, or refuses a change: told, nothing lost, and mended.

The session is the one that is killed elsewhere (``tests.crash.agents``): its agents meet a limit and a permission. What
is refused are changes below the person's own state (accounts, leases, grants), or those of the usage rows.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.crash.agents import AGENTS, holds
from tests.crash.scenario import account_environment, make_template, state_runs
from tests.faults.disks import disk, mounts
from tests.faults.trial import told
from tests.support.fleet import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.slow

ERRORS = ("ENOSPC", "EIO", "EROFS", "EDQUOT")
TODAY = int(time.time() // 86_400)
ROWS = "repo/.git/gitfleet/state/usage"
CHANGES = {"state": 60, ROWS: 12}
"""About as many changes as a session makes there."""


def begin(fleet: FleetEnv, name: str, state: Path | None = None) -> Path:
    """A place with a repository and an account, as before a round of the scenario; its state may lie elsewhere."""
    place = fleet.root / name
    if state is not None:
        place.mkdir()
        (place / "state").symlink_to(state)
    make_template(AGENTS, place)
    surrounding = account_environment(place)
    fleet.variables |= {**surrounding, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    return place


def on_a_bad_machine(fleet: FleetEnv, place: Path, where: str, error: str, at: int, count: int, *args: str) -> Outcome:
    """Run a command to which changes below a directory are refused."""
    faults = {"refuse": error, "at": at, "for": count, "below": str(place / where)}
    faults["tally"] = str(fleet.root / "tally")
    line = [sys.executable, "-m", "tests.faults.driver", json.dumps(faults), *args]
    done = subprocess.run(
        line,
        cwd=place / "repo",
        env=fleet.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(args, done.returncode, done.stdout, done.stderr, fleet.root)


def goes_on(fleet: FleetEnv, place: Path) -> None:
    """On a machine in order all lands, and accounts, rows and grants are as they should be."""
    repo = place / "repo"
    for _ in range(6):
        runs = state_runs(repo / ".git")
        if not runs:
            told(fleet.run(*AGENTS.command, cwd=repo))
            continue
        if all(run["state"] == "landed" for run in runs.values()):
            break
        if "parked" in runs["asks"]:
            fleet.run("approve", "asks", "--always", cwd=repo).ok()
        told(fleet.run("continue", cwd=repo))
    states = {task: run["state"] for task, run in state_runs(repo / ".git").items()}
    assert states == AGENTS.expected
    # What an attempt met that could not be written down may count; it is not what is looked at here.
    holds(place, ["warden"] * 9, over=True)
    shutil.rmtree(place)


def hold(fleet: FleetEnv, where: str, error: str, at: int, count: int) -> None:
    place = begin(fleet, f"{error}-{at}-{count}")
    outcome = told(on_a_bad_machine(fleet, place, where, error, at, count, *AGENTS.command), 0, 3, 4)
    assert outcome.code != 0, "it waits for a permission"
    goes_on(fleet, place)


@pytest.mark.parametrize("where", CHANGES)
def test_a_change_that_is_refused_beside_the_repository_is_told_and_mended(fleet: FleetEnv, where: str) -> None:
    """One a day; all of them, each once and for good, with ``GITFLEET_FAULTS_STEP=1``."""
    step = int(os.environ.get("GITFLEET_FAULTS_STEP", "0"))
    drawn = random.Random(f"{TODAY} {where}").randrange(1, CHANGES[where])  # noqa: S311 - moments, not secrets
    for at in range(1, CHANGES[where] + 1, step) if step else (drawn,):
        for count in (0, 1) if step else (TODAY % 2,):
            hold(fleet, where, ERRORS[at % len(ERRORS)], at, count)


@pytest.mark.skipif(bool(os.geteuid()) or not mounts(), reason="mounting a small disk needs to be root")
def test_a_full_disk_below_the_accounts_is_told_and_mended(fleet: FleetEnv) -> None:
    with disk(fleet.root / "disk") as small:
        place = begin(fleet, "full", small.path)
        small.fill()
        told(fleet.run(*AGENTS.command, cwd=place / "repo"), 3, 4)
        small.free()
        told(fleet.run(*AGENTS.command, cwd=place / "repo"), 3)
        small.fill()
        refused = told(fleet.run("approve", "asks", "--always", cwd=place / "repo"), 4)
        assert "space" in refused.text
        told(fleet.run("continue", cwd=place / "repo"), 3, 4)
        small.free()
        goes_on(fleet, place)
