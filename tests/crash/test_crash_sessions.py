"""A coordinator that is killed at random moments, and one `continue` that ends where no death would have.

Every enumerable step of a landing has a test of its own; here whole sessions die wherever the clock says.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.sessions import (
    common_dir,
    config_of,
    held_locks,
    merge_commits,
    plan_of,
    session_ids,
    state_runs,
    states,
    task,
    trailers,
    tree_without_planning,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("an attempt that was cut off keeps its tree")

TODAY = int(time.time() // 86_400)
"""The day decides which steps and moments are tried: another share every day, the same when a failure is looked at."""

SHARE = 16

LANDED = {"a.txt", "b.txt", "c.txt", "free.txt"}
STATES = {
    "a": "landed",
    "b": "landed",
    "bad": "rejected",
    "c": "landed",
    "red": "failed",
    "free": "landed",
    "after-bad": "skipped",
}


def plan() -> str:
    return plan_of(
        task("a", "echo a > a.txt", ["a.txt"]),
        task("b", "echo b > b.txt; git add -A; git commit -qm b", ["b.txt"]),
        task("bad", "echo x > other.txt", ["mine.txt"]),
        task("c", "cat a.txt > c.txt", ["c.txt"], "a"),
        task("red", "echo x > red.txt", ["red.txt"], "c"),
        task("free", "echo x > free.txt", ["free.txt"], "c"),
        task("after-bad", "echo x > after.txt", ["after.txt"], "bad"),
    )


def repository(fleet: FleetEnv, name: str) -> Path:
    repo = fleet.repo(name=name)
    fleet.git("config", "user.name", "Ada Example", cwd=repo)
    path = repo / ".planning/config.yaml"
    path.parent.mkdir()
    # `red` and `free` end in trains of their own, since a candidate fails as a whole.
    path.write_text(config_of(["test ! -e red.txt"], waves={"max_agents": 3, "rolling": False}))
    fleet.git("add", "-A", cwd=repo)
    fleet.git("commit", "-qm", "Configure", cwd=repo)
    return repo


def assert_undisturbed(fleet: FleetEnv, repo: Path, expected: dict[str, str]) -> None:
    ended = {name: (str(run.state), run.failure) for name, run in state_runs(fleet, repo).items()}
    assert tree_without_planning(fleet, repo, "main") == expected, ended
    instances = [
        trailers(fleet, repo, commit).get("Gitfleet-Instance") for commit in merge_commits(fleet, repo, "main")
    ]
    assert len(instances) == len(set(instances))
    runs = state_runs(fleet, repo)
    assert set(instances) == {run.instance for run in runs.values() if run.state == "landed"}
    common = common_dir(fleet, repo)
    assert not list(common.glob("gitfleet/state/claims/*.json"))
    assert not list(common.glob("gitfleet/state/sessions/*/landing.json"))
    assert not list(common.glob("gitfleet/landings/*"))
    assert not (common / "index.lock").exists()
    assert held_locks(common / "gitfleet") == []
    assert fleet.git("fsck", "--no-dangling", "--no-progress", cwd=repo) == ""
    assert fleet.git("status", "--porcelain", cwd=repo) == ""
    # Of each wave's text and each run's record there is one truth.
    for path in common.glob("gitfleet/state/sessions/*/waves/*.md"):
        relative = path.relative_to(common / "gitfleet/state").as_posix()
        assert fleet.git("show", f"main:.planning/{relative}", cwd=repo) == path.read_text().rstrip("\n")
    fleet.run("check", cwd=repo).ok()
    assert "no session to continue" in fleet.run("continue", cwd=repo).ok().out
    assert not [process for process in psutil.process_iter(["cmdline"]) if str(repo) in str(process.info["cmdline"])]


def killed_after(fleet: FleetEnv, repo: Path, seconds: float, wardens: random.Random | None = None) -> int:
    """Start a session and kill its coordinator after so long; gives its exit code (-9, or its own if it was over)."""
    session = fleet.start("wave", fleet.root / "plan.yaml", "--yes", cwd=repo)
    timer = threading.Timer(seconds, session.kill)
    timer.start()
    outcome = fleet.finish(session)
    timer.join()
    if wardens is not None:
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if (
                any("warden" in word for word in line)
                and any(str(repo) in word for word in line)
                and wardens.random() < 0.7
            ):
                process.kill()
    return outcome.code


def rounds(fleet: FleetEnv, number: int, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - moments, not secrets
    fleet.plan(plan())
    whole = repository(fleet, "whole")
    began = time.monotonic()
    fleet.run("wave", fleet.root / "plan.yaml", "--yes", cwd=whole).ok(1)
    length = time.monotonic() - began
    assert states(fleet, whole) == {**STATES, "free": "failed"}
    expected = tree_without_planning(fleet, whole, "main")
    for turn in range(number):
        repo = repository(fleet, f"r{turn}")
        moment = dice.uniform(0.2, length)
        code = killed_after(fleet, repo, moment, dice if turn % 3 == 2 else None)
        if not session_ids(fleet, repo):
            continue
        if code == -signal.SIGKILL:
            again = fleet.run("continue", cwd=repo)
            assert again.code in {0, 1}, again.text
        if "lost" in states(fleet, repo).values():
            continue  # the attempt whose warden was killed is over, and so is what hangs on it
        assert_undisturbed(fleet, repo, expected)


def died_at(fleet: FleetEnv, repo: Path, number: int) -> int:
    """Run the session in a process that kills itself at its n-th change of a name; gives its exit code."""
    tally = fleet.root / "tally"
    driver = [sys.executable, "-m", "tests.crash.session_driver", str(number), str(tally)]
    line = [*driver, "wave", str(fleet.root / "plan.yaml"), "--yes"]
    done = subprocess.run(line, cwd=repo, env=fleet.environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode


def steps(fleet: FleetEnv, pick: Callable[[int], Iterable[int]]) -> None:
    fleet.plan(plan())
    whole = repository(fleet, "whole")
    assert died_at(fleet, whole, 0) == 1
    expected = tree_without_planning(fleet, whole, "main")
    for number in pick(int((fleet.root / "tally").read_text())):
        repo = repository(fleet, f"s{number}")
        code = died_at(fleet, repo, number)
        if not session_ids(fleet, repo):
            continue
        if code == -signal.SIGKILL:
            again = fleet.run("continue", cwd=repo)
            assert again.code in {0, 1}, f"step {number}: {again.text}"
        print(f"died at step {number}")  # noqa: T201 - shown by pytest where the step fails
        assert_undisturbed(fleet, repo, expected)


def test_a_coordinator_that_dies_at_some_of_its_steps_is_continued(fleet: FleetEnv) -> None:
    dice = random.Random(TODAY)  # noqa: S311 - steps, not secrets
    steps(fleet, lambda last: dice.sample(range(1, last), 2))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_coordinator_that_dies_at_each_of_its_steps_is_continued(fleet: FleetEnv) -> None:
    """One step of each ``SHARE``, another every day; all of them with ``GITFLEET_CRASH_SHARE=1``."""
    share = int(os.environ.get("GITFLEET_CRASH_SHARE", SHARE))
    steps(fleet, lambda last: range(1 + TODAY % share, last, share))


def test_a_coordinator_that_is_killed_is_continued(fleet: FleetEnv) -> None:
    rounds(fleet, 2, seed=TODAY)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_coordinator_that_is_killed_many_times_is_continued(fleet: FleetEnv) -> None:
    rounds(fleet, 20, seed=TODAY)
