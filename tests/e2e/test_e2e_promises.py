"""Promises that no other module shows from end to end: folded names, autostash, and records that join twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import assert_nothing_remains, plan_of, session_ids, state_runs, states, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv


def test_two_spellings_of_one_path_are_refused_where_case_is_ignored(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    plan = fleet.plan(
        plan_of(task("lower", "touch ../spawned", ["src/app.py"]), task("upper", "touch ../spawned", ["src/App.py"]))
    )
    fleet.git("config", "core.ignorecase", "true")

    told = fleet.run("wave", plan, "--yes").ok(2).err

    assert "src/app.py" in told
    assert "src/App.py" in told
    assert session_ids(fleet, repo) == []
    assert not (fleet.root / "spawned").exists()
    assert not (repo / ".planning").exists()

    fleet.git("config", "core.ignorecase", "false")
    waves = fleet.run("plan", plan, "--json").ok().json["waves"]
    assert [len(wave["tasks"]) for wave in waves] == [2]


def test_autostash_takes_nothing_away(fleet: FleetEnv) -> None:
    """``git merge`` would stash and pop a person's edits under their hands where this is set."""
    repo = fleet.repo({"README.md": "A project.\n", "mine.txt": "one\n"})
    for command in ("merge", "rebase"):
        fleet.git("config", f"{command}.autoStash", "true")
    (repo / "mine.txt").write_text("edited\n")
    plan = plan_of(
        task("free", "echo more >> README.md", ["README.md"]), task("late", "echo x > mine.txt", ["mine.txt"], "free")
    )

    outcome = fleet.run("wave", fleet.plan(plan), "--yes").ok(3)

    assert "mine.txt" in outcome.text
    assert states(fleet, repo) == {"free": "landed", "late": "verified"}
    assert (repo / "mine.txt").read_text() == "edited\n"
    assert fleet.git("stash", "list") == ""
    fleet.git("checkout", "-q", "HEAD", "--", "mine.txt")
    fleet.run("continue").ok()
    assert (repo / "mine.txt").read_text() == "x\n"
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
def test_a_squashed_branch_still_merges_with_itself_and_with_another_clone(fleet: FleetEnv) -> None:
    repo, clone = fleet.repo(), fleet.root / "clone"
    fleet.git("clone", "-q", repo, clone, cwd=fleet.root)
    fleet.identify(clone)
    fleet.git("switch", "-qc", "theirs", cwd=clone)
    one = task("one", "echo 1 > one.txt", ["one.txt"])
    fleet.run("wave", fleet.plan(plan_of(one, name="theirs")), "--yes", cwd=clone).ok()
    fleet.git("switch", "-qc", "work")
    two = task("two", "echo 2 > two.txt", ["two.txt"])
    fleet.run("wave", fleet.plan(plan_of(two, name="ours")), "--yes").ok()
    fleet.git("switch", "-q", "main")
    fleet.git("merge", "-q", "--squash", "work")
    fleet.git("commit", "-qm", "The work")

    fleet.git("fetch", "-q", clone, "theirs:theirs")
    for branch in ("theirs", "work"):
        fleet.git("merge", "-q", "--no-edit", branch)

    for where in (repo, clone):
        for run in state_runs(fleet, where).values():
            assert fleet.git("show", f"main:.planning/sessions/{run.session}/runs/{run.task}.json")
    assert (repo / "one.txt").exists()
    assert (repo / "two.txt").exists()
    fleet.run("check").ok()
    assert_nothing_remains(fleet, repo)
