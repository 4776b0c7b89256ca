# ruff: noqa: E501 - one line of shell an agent
"""Agents that do what agents must not: to their repository, their directory, their handoff and their output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import (
    assert_nothing_remains,
    common_dir,
    config_of,
    plan_of,
    state_runs,
    states,
    task,
)

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

GOOD = task("good", "echo good > good.txt", ["good.txt"])

LANDS = {
    "detaches": "git checkout -q --detach; echo x > mine.txt; git add -A; git commit -qm x",
    "switches to a branch of its own": "git switch -qc elsewhere; echo x > mine.txt; git add -A; git commit -qm x",
    "deletes .git": "echo x > mine.txt; rm -rf .git",
    "leaves a lock": "echo x > mine.txt; touch $(git rev-parse --git-dir)/index.lock",
    "has a strange author": "echo x > mine.txt; git add -A; git -c user.name='A <b> \"c\"' -c user.email='' commit -qm x",
    "resets and does it again": "echo x > mine.txt; git add -A; git commit -qm x; git reset -q --hard HEAD~1; echo x > mine.txt",
    "breaks its index": "echo x > mine.txt; echo junk > $(git rev-parse --git-dir)/index",
    "writes a lot of output": "echo x > mine.txt; head -c 30000000 /dev/zero | tr '\\0' 'x'",
    "makes its handoff a pipe": 'echo x > mine.txt; mkfifo "$GITFLEET_HANDOFF"',
    "makes its handoff a link": 'echo x > mine.txt; ln -s /etc/passwd "$GITFLEET_HANDOFF"',
    "makes its handoff a directory": 'echo x > mine.txt; mkdir "$GITFLEET_HANDOFF"',
}


@pytest.mark.slow
@pytest.mark.share(3)
@pytest.mark.parametrize("name", LANDS)
def test_what_an_agent_does_to_its_tree_does_not_lose_its_work(name: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    odd = task("odd", LANDS[name], ["mine.txt"])
    fleet.run("wave", fleet.plan(plan_of(GOOD, odd)), "--yes").ok()
    assert states(fleet, repo) == {"good": "landed", "odd": "landed"}
    assert (repo / "mine.txt").read_text() == "x\n"
    assert_nothing_remains(fleet, repo)


CLASH = """echo x > mine.txt; git add -A; git commit -qm x; echo y > mine.txt; git add -A
other=$(git commit-tree -p HEAD~1 -m y $(git write-tree)); git reset -q --hard;"""

FAILS = {
    "goes behind its base": "git reset -q --hard HEAD~1; echo x > mine.txt; git add -A; git commit -qm x",
    "starts a history of its own": "git rm -qrf .; echo x > mine.txt; git add -A; git reset -q --hard $(git commit-tree -m x $(git write-tree))",
    "holds a repository": "echo x > mine.txt; git init -q inner; cd inner; echo y > y; git add -A; git -c user.name=a -c user.email=a@b commit -qm y",
    "removes its worktree": "echo x > mine.txt; command -p git worktree remove --force .",  # past the guard
    "deletes its directory": 'rm -rf "$PWD"',
    "writes a huge sparse handoff": 'echo x > mine.txt; truncate -s 1G "$GITFLEET_HANDOFF"',
    "writes a handoff that is not text": 'echo x > mine.txt; printf \'{"built": ["\\377\\376"]}\' > "$GITFLEET_HANDOFF"',
    "points HEAD at nothing": "echo x > mine.txt; echo junk > $(git rev-parse --git-dir)/HEAD",
    "deletes its branch": "rm -f README.md; git update-ref -d HEAD",
    "leaves a merge in conflict": f"{CLASH} git merge -q $other; true",
    "leaves a rebase half done": f"{CLASH} git rebase -q $other; true",
}


FAILED = {
    # What it wrote lies within its scope, whatever it was built on: a merge decides.
    "goes behind its base": ("landed", ""),
    "starts a history of its own": ("conflicted", "conflict"),
    "holds a repository": ("failed", "nested-repository"),
    "removes its worktree": ("failed", "collect-failed"),
    "deletes its directory": ("failed", "collect-failed"),
    "writes a huge sparse handoff": ("failed", "bad-handoff"),
    "writes a handoff that is not text": ("failed", "bad-handoff"),
    "points HEAD at nothing": ("failed", "collect-failed"),
    "deletes its branch": ("conflicted", "conflict"),
    "leaves a merge in conflict": ("failed", "collect-failed"),
    "leaves a rebase half done": ("failed", "collect-failed"),
}


@pytest.mark.slow
@pytest.mark.share(3)
@pytest.mark.parametrize("name", FAILS)
def test_what_cannot_be_used_fails_alone(name: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.git("commit", "-q", "--allow-empty", "-m", "Second")
    odd = task("odd", FAILS[name], ["mine.txt"])
    outcome = fleet.run("wave", fleet.plan(plan_of(GOOD, odd)), "--yes")
    assert outcome.code in {0, 1, 3}, outcome.text
    assert states(fleet, repo)["good"] == "landed"
    assert (repo / "README.md").exists()
    if FAILED[name][0] == "conflicted":
        assert fleet.run("resolve", "odd").code == 4
        assert states(fleet, repo)["odd"] == "conflicted"
        fleet.run("cancel", "odd").ok()
        fleet.run("continue").ok()
    assert fleet.run("continue").code == 0
    assert not list(common_dir(fleet, repo).glob("gitfleet/state/claims/*"))
    if "HEAD" not in name:  # git itself complains of a worktree whose HEAD an agent broke
        assert fleet.git("fsck", "--no-dangling", "--no-progress") == ""
    fleet.run("check").ok()
    run = state_runs(fleet, repo)["odd"]
    given_up = {("conflicted", "conflict"): ("cancelled", "cancelled")}
    assert (run.state, run.failure.code if run.failure else "") == given_up.get(FAILED[name], FAILED[name])


def test_an_agent_program_that_does_not_exist_is_tried_again(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    program = fleet.root / "agent"
    agents = {"robot": {"kind": "command", "argv": [str(program), "{task}"]}}
    fleet.config(repo, config_of(agents=agents, agent="robot", retry={"initial_backoff_seconds": 0}))
    first: dict[str, object] = {"id": "one", "instructions": "Do it.", "scope": ["one.txt"]}
    second: dict[str, object] = {"id": "two", "instructions": "Do it.", "scope": ["two.txt"], "depends_on": ["one"]}

    stopped = fleet.run("wave", fleet.plan(plan_of(first, second)), "--yes").ok(3)
    assert "could run" in stopped.text
    assert str(program) in stopped.out
    fleet.run("continue").ok(3)
    program.write_text("#!/bin/sh\necho $1 > $1.txt\n")
    program.chmod(0o755)
    fleet.run("continue").ok()

    assert states(fleet, repo) == {"one": "landed", "two": "landed"}
    fleet.run("check").ok()
