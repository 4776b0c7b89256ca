"""Somebody else's session lands on the same target while the checks of this one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import assert_nothing_remains, config_of, merge_commits, plan_of, session_ids, states, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv, SyncPoint

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("a run that did not land keeps its tree")]

HALVES = "! { grep -qs HALF-A a.txt && grep -qs HALF-B b.txt; }"


def checking(fleet: FleetEnv, point: SyncPoint) -> str:
    """A check that waits once, where ``a.txt`` is; and two halves fail it together."""
    return f"if test -e a.txt && mkdir '{fleet.root}/waited' 2>/dev/null; then {point.shell}; fi; {HALVES}"


def plan(fleet: FleetEnv, name: str, half: str) -> Path:
    return fleet.plan(plan_of(task(name, f"echo HALF-{half} > {name}.txt", [f"{name}.txt"]), name=name), f"{name}.yaml")


def test_a_session_of_another_process_waits_for_the_train_and_is_checked_with_what_it_brought(fleet: FleetEnv) -> None:
    repo, point = fleet.repo(), fleet.point("checking")
    fleet.config(repo, config_of([checking(fleet, point)], retry={"max_attempts": 1}))
    ours = fleet.start("wave", plan(fleet, "a", "A"), "--yes")
    point.wait()
    before = fleet.git("rev-parse", "main")
    theirs = fleet.start("wave", plan(fleet, "b", "B"), "--yes")
    assert theirs.stdout is not None
    for line in theirs.stdout:
        if "b passed the gate" in line:
            break
    else:
        pytest.fail("the other session never came to its gate")
    assert fleet.git("rev-parse", "main") == before
    point.release()

    fleet.finish(ours).ok()
    assert fleet.finish(theirs).code == 1
    assert states(fleet, repo) == {"a": "landed", "b": "failed"}
    assert len(merge_commits(fleet, repo)) == 1
    assert len(session_ids(fleet, repo)) == 2
    assert_nothing_remains(fleet, repo)


def test_a_session_of_another_clone_lands_first_and_the_candidate_is_made_and_checked_again(fleet: FleetEnv) -> None:
    repo, point = fleet.repo(), fleet.point("checking")
    fleet.config(repo, config_of([checking(fleet, point)], retry={"max_attempts": 1}))
    clone = fleet.root / "clone"
    fleet.git("clone", "-q", repo, clone, cwd=fleet.root)
    fleet.identify(clone)
    fleet.git("checkout", "-q", "-b", "work")
    good = plan_of(task("c", "echo c > c.txt", ["c.txt"]), task("a", "echo HALF-A > a.txt", ["a.txt"]), name="ours")
    ours = fleet.start("wave", fleet.plan(good, "ours.yaml"), "--yes", "--target", "main")
    point.wait()
    fleet.run("wave", plan(fleet, "b", "B"), "--yes", "--target", "main", cwd=clone).ok()
    fleet.git("push", "-q", "origin", "main", cwd=clone)
    pushed = fleet.git("rev-parse", "main")
    point.release()

    fleet.finish(ours).ok(1)
    assert states(fleet, repo) == {"a": "failed", "c": "landed"}
    merge = merge_commits(fleet, repo)[0]
    assert fleet.git("rev-parse", f"{merge}^1") == pushed
    assert fleet.git("ls-tree", "--name-only", "main", "a.txt", "b.txt", "c.txt").split() == ["b.txt", "c.txt"]
    assert_nothing_remains(fleet, repo)
