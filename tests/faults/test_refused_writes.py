"""A system that refuses a change of the file system, at any of a session's changes: told, and mended by a ``continue``.

An audit hook refuses the k-th change of a name, or every one from the k-th on, with the error of a full or broken disk
or of a process that has too many files open.
"""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import Outcome
from tests.support.sessions import (
    common_dir,
    config_of,
    held_locks,
    merge_commits,
    plan_of,
    session_ids,
    settle,
    state_runs,
    states,
    task,
    tree_without_planning,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("an attempt that was cut off keeps its tree")]

ERRORS = ("ENOSPC", "EIO", "EMFILE", "EROFS", "EDQUOT", "ENOMEM")
TODAY = int(time.time() // 86_400)
"""The day decides which changes are refused: others every day, the same when a failure is looked at."""

LANDED = {"a": "landed", "b": "landed", "c": "landed"}


def repository(fleet: FleetEnv, name: str) -> Path:
    repo = fleet.repo(name=name)
    fleet.config(repo, config_of(["true"]))
    fleet.plan(
        plan_of(
            task("a", "echo a > a.txt", ["a.txt"]),
            task("b", "echo b > b.txt; git add -A; git commit -qm b", ["b.txt"]),
            task("c", "cat a.txt > c.txt", ["c.txt"], "a"),
        )
    )
    return repo


def with_faults(fleet: FleetEnv, repo: Path, *args: str | Path, **faults: object) -> Outcome:
    """Run a command on a machine on which something is wrong."""
    line = [sys.executable, "-m", "tests.faults.driver", json.dumps(faults), *map(str, args)]
    done = subprocess.run(
        line, cwd=repo, env=fleet.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return Outcome(tuple(map(str, args)), done.returncode, done.stdout, done.stderr, fleet.root)


def changes(fleet: FleetEnv) -> tuple[int, dict[str, str]]:
    """How many changes an undisturbed session makes, and the tree that it ends with."""
    whole, tally = repository(fleet, "whole"), fleet.root / "tally"
    plan = fleet.root / "plan.yaml"
    none = {"refuse": "EIO", "at": 0, "for": 0, "below": str(fleet.root)}
    with_faults(fleet, whole, "wave", plan, "--yes", **none, tally=str(tally)).ok()
    return int(tally.read_text()), tree_without_planning(fleet, whole, "main")


def hold(fleet: FleetEnv, expected: dict[str, str], error: str, at: int, count: int) -> None:
    repo = repository(fleet, f"{error}-{at}-{count}")
    # Worktrees, attempts and the repository itself lie below one place; what Python reads does not.
    faults = {"refuse": error, "at": at, "for": count, "below": str(fleet.root)}
    outcome = with_faults(fleet, repo, "wave", fleet.root / "plan.yaml", "--yes", **faults)
    assert outcome.code in {0, 3, 4}, f"{faults}: {outcome.text}"
    assert "Traceback" not in outcome.text, outcome.text
    if outcome.code == 4:
        assert os.strerror(getattr(errno, error)) in outcome.err, outcome.err
    if not session_ids(fleet, repo):
        return
    code = fleet.run("continue", cwd=repo).code
    assert settle(fleet, repo, code) == 0, f"{faults}: {outcome.text}"
    assert states(fleet, repo) == LANDED, faults
    assert tree_without_planning(fleet, repo, "main") == expected, faults
    assert len(merge_commits(fleet, repo)) == len({run.instance for run in state_runs(fleet, repo).values()})
    common = common_dir(fleet, repo)
    assert not list(common.glob("gitfleet/state/claims/*.json"))
    assert held_locks(common / "gitfleet") == []
    assert fleet.git("fsck", "--no-dangling", "--no-progress", cwd=repo) == ""
    assert fleet.git("status", "--porcelain", cwd=repo) == ""


def test_a_refused_change_is_told_and_mended(fleet: FleetEnv) -> None:
    dice = random.Random(TODAY)  # noqa: S311 - moments, not secrets
    last, expected = changes(fleet)
    hold(fleet, expected, dice.choice(ERRORS), dice.randrange(1, last), 0)
    hold(fleet, expected, dice.choice(ERRORS), dice.randrange(1, last), 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_refused_changes_all_along_a_session_are_told_and_mended(fleet: FleetEnv) -> None:
    """A share of all changes; all of them with ``GITFLEET_FAULTS_STEP=1``."""
    step = int(os.environ.get("GITFLEET_FAULTS_STEP", "48"))
    last, expected = changes(fleet)
    for number, at in enumerate(range(1 + TODAY % step, last + 1, step)):
        hold(fleet, expected, ERRORS[number % len(ERRORS)], at, number % 2)
