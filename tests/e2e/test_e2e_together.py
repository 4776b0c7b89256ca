"""Two sessions at the same time, and branches with records that are merged in every way that people merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import write
from tests.support.sessions import assert_nothing_remains, plan_of, record_commits, session_ids, settle, states, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.slow


def alone(fleet: FleetEnv, name: str) -> str:
    """A command that fails when anybody else is inside of the same section."""
    room = fleet.root / "room"
    return f"mkdir '{room}' || exit 9; sleep 0.2; echo {name} >> shared.txt; rmdir '{room}'"


@pytest.mark.parametrize("time", range(3))
def test_two_processes_never_hold_overlapping_scopes(time: int, fleet: FleetEnv) -> None:
    del time
    repo = fleet.repo({"shared.txt": ""})
    plans = [
        fleet.plan(
            plan_of(
                task(f"{name}-shared", alone(fleet, name), ["shared.txt"]),
                task(f"{name}-own", f"echo {name} > {name}.txt", [f"{name}.txt"]),
                name=name,
            ),
            f"{name}.yaml",
        )
        for name in ("left", "right")
    ]

    sessions = [fleet.start("wave", plan, "--yes") for plan in plans]
    codes = [settle(fleet, repo, fleet.finish(session).code) for session in sessions]

    assert codes == [0, 0]
    assert set(states(fleet, repo).values()) == {"landed"}
    assert sorted((repo / "shared.txt").read_text().split()) == ["left", "right"]
    assert (repo / "left.txt").exists()
    assert (repo / "right.txt").exists()
    assert_nothing_remains(fleet, repo)


def test_a_second_coordinator_of_one_session_is_told_who_holds_it(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("inside")
    plan = fleet.plan(plan_of(task("one", f"{point.shell}; echo x > one.txt", ["one.txt"])))
    session = fleet.start("wave", plan, "--yes")
    point.wait()

    refused = fleet.run("continue", cwd=repo).ok(5)

    assert str(session.pid) in refused.text
    point.release()
    assert fleet.finish(session).code == 0


def session_in(fleet: FleetEnv, repo: Path, name: str) -> None:
    """One session with two waves, landing on the branch that is checked out."""
    plan = plan_of(
        task("first", f"echo {name} > {name}-first.txt", [f"{name}-first.txt"]),
        task("second", f"echo {name} > {name}-second.txt", [f"{name}-second.txt"], "first"),
        name=name,
    )
    fleet.run("wave", fleet.plan(plan, f"{name}.yaml"), "--yes", cwd=repo).ok()


@pytest.mark.parametrize("way", ["merge", "squash", "rebase"])
def test_branches_with_records_join_without_a_conflict(way: str, fleet: FleetEnv) -> None:
    repo = fleet.repo({"README.md": "A project.\n", ".planning/config.yaml": "schema: gitfleet/config/v1\n"})
    clone = fleet.root / "clone"
    fleet.git("clone", "-q", repo, clone, cwd=fleet.root)
    fleet.identify(clone)
    fleet.git("switch", "-qc", "theirs", cwd=clone)
    session_in(fleet, clone, "theirs")
    fleet.git("switch", "-qc", "ours", cwd=repo)
    session_in(fleet, repo, "ours")
    fleet.git("fetch", "-q", clone, "theirs:theirs", cwd=repo)

    if way == "merge":
        fleet.git("merge", "-q", "--no-edit", "theirs", cwd=repo)
    elif way == "squash":
        fleet.git("merge", "-q", "--squash", "theirs", cwd=repo)
        fleet.git("commit", "-qm", "Everything of theirs", cwd=repo)
    else:
        fleet.git("rebase", "-q", "theirs", cwd=repo)

    names = fleet.git("ls-tree", "-r", "--name-only", "HEAD", cwd=repo).splitlines()
    for name in ("ours", "theirs"):
        assert {f"{name}-first.txt", f"{name}-second.txt"} <= set(names)
        assert len([path for path in names if f"/sessions/{name}-" in path and "/runs/" in path]) == 2
    fleet.run("check", cwd=repo).ok()
    # and once more on top of what was joined
    session_in(fleet, repo, "again")
    fleet.run("check", cwd=repo).ok()


def test_a_squashed_session_is_landed_for_good(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.git("switch", "-qc", "work")
    session_in(fleet, repo, "work")
    assert len(record_commits(fleet, repo, "work")) == 2
    fleet.git("switch", "-q", "main")
    fleet.git("merge", "-q", "--squash", "work")
    fleet.git("commit", "-qm", "The work")

    fleet.run("continue").ok()

    assert len(session_ids(fleet, repo)) == 1
    assert set(states(fleet, repo).values()) == {"landed"}


def test_write_does_not_leave_plans_in_the_repository(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    write(repo, {"notes/todo.txt": "mine\n"})
    session_in(fleet, repo, "x")
    assert fleet.git("status", "--porcelain") == "?? notes/"
