"""``--fetch`` brings the target up to date first, and leaves everything else alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.app.sessions.target import finish_cut_off_fetches
from gitfleet.app.workspace import open_workspace
from tests.support.sessions import plan_of, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

PLAN = plan_of(task("a", "cat shared.txt > a.txt", ["a.txt"]))


def clone_behind(fleet: FleetEnv) -> Path:
    """A clone on a branch whose upstream has one commit more."""
    origin = fleet.repo({"shared.txt": "old\n"}, name="origin")
    fleet.git("branch", "topic", cwd=origin)
    fleet.git("clone", "-q", "-b", "topic", origin, "repo", cwd=fleet.root)
    repo = fleet.root / "repo"
    fleet.identify(repo)
    fleet.git("switch", "-q", "topic", cwd=origin)
    (origin / "shared.txt").write_text("new\n")
    fleet.git("commit", "-qam", "Renew", cwd=origin)
    return repo


def test_a_target_behind_its_upstream_is_brought_up_to_date(fleet: FleetEnv) -> None:
    repo = clone_behind(fleet)

    fleet.run("wave", fleet.plan(PLAN), "--yes", "--fetch").ok()

    assert (repo / "a.txt").read_text() == "new\n"
    assert (repo / "shared.txt").read_text() == "new\n"
    assert fleet.git("status", "--porcelain", cwd=repo) == ""


def test_being_behind_is_said_without_fetching(fleet: FleetEnv) -> None:
    repo = clone_behind(fleet)
    fleet.git("fetch", "-q", cwd=repo)

    outcome = fleet.run("wave", fleet.plan(PLAN), "--yes").ok()

    assert "topic is 1 commit behind origin/topic" in outcome.out
    assert (repo / "a.txt").read_text() == "old\n"


def test_a_diverged_target_is_refused_and_nothing_is_written(fleet: FleetEnv) -> None:
    repo = clone_behind(fleet)
    fleet.git("commit", "-q", "--allow-empty", "-m", "Mine", cwd=repo)
    before = fleet.git("for-each-ref", "refs/heads", cwd=repo)

    outcome = fleet.run("wave", fleet.plan(PLAN), "--yes", "--fetch").ok(3)

    assert "have diverged" in outcome.err
    assert fleet.git("for-each-ref", "refs/heads", cwd=repo) == before


def test_edits_in_the_way_of_a_fetch_are_named(fleet: FleetEnv) -> None:
    repo = clone_behind(fleet)
    (repo / "shared.txt").write_text("mine\n")

    outcome = fleet.run("wave", fleet.plan(PLAN), "--yes", "--fetch").ok(3)

    assert "shared.txt" in outcome.err
    assert (repo / "shared.txt").read_text() == "mine\n"


def test_a_fetch_that_died_before_the_swap_leaves_no_lock_behind(fleet: FleetEnv) -> None:
    repo = clone_behind(fleet)
    workspace = open_workspace(repo)
    directory = workspace.layout.root / "landings" / "fetch-0123456789abcdef"
    directory.mkdir(parents=True)
    old = fleet.git("rev-parse", "topic", cwd=repo)
    (directory / "intent.json").write_text(
        '{"schema": "gitfleet/landing/v1", "id": "fetch-0123456789abcdef", "target": "refs/heads/topic",'
        f' "old": "{old}", "new": "{"0" * 40}"}}'
    )

    finish_cut_off_fetches(workspace.repository, workspace.layout)

    assert not directory.exists()
