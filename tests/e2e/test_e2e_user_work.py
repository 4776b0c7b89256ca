"""The person's own work in the checkout that is landed on, before, during and after a session."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.support.fleet import write
from tests.support.sessions import (
    assert_nothing_remains,
    config_of,
    plan_of,
    session_ids,
    settle,
    state_runs,
    states,
    task,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

FILES = {"README.md": "A project.\n", "tracked.txt": "tracked\n", "staged.txt": "staged\n", ".gitignore": "*.env\n"}
NEW = task("new", "echo new > new.txt", ["new.txt"])


def dirty(fleet: FleetEnv, repo: Path) -> None:
    """Staged, unstaged, untracked and ignored work."""
    (repo / "staged.txt").write_text("staged by the person\n")
    fleet.git("add", "staged.txt", cwd=repo)
    write(repo, {"tracked.txt": "changed by the person\n", "untracked.txt": "theirs\n", "local.env": "SECRET=1\n"})


def picture(fleet: FleetEnv, repo: Path) -> dict[str, object]:
    """The person's work, byte for byte: files, index entries, stash."""
    names = ("tracked.txt", "staged.txt", "untracked.txt", "local.env", ".gitignore")
    return {
        **{name: (repo / name).read_bytes() for name in names},
        "status": fleet.git("status", "--porcelain", "--ignored", cwd=repo),
        "index": fleet.git("diff", "--cached", "--", *names, cwd=repo),
        "stash": fleet.git("stash", "list", cwd=repo),
        "config": (repo / ".git/config").read_bytes(),
    }


def test_work_that_is_not_in_the_way_is_byte_for_byte_what_it_was(fleet: FleetEnv) -> None:
    repo = fleet.repo(FILES)
    dirty(fleet, repo)
    before = picture(fleet, repo)

    fleet.run("wave", fleet.plan(plan_of(NEW, task("edit", "echo more >> README.md", ["README.md"]))), "--yes").ok()

    after = picture(fleet, repo)
    status = [line for line in str(after.pop("status")).splitlines() if ".planning/live" not in line]
    assert status == str(before.pop("status")).splitlines()
    assert after == before
    assert (repo / "new.txt").read_text() == "new\n"
    assert (repo / "README.md").read_text() == "A project.\nmore\n"
    assert_nothing_remains(fleet, repo, clean=False)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("unstaged", "tracked.txt"), ("staged", "staged.txt"), ("untracked", "new.txt"), ("ignored", "own.env")],
)
def test_work_in_the_way_is_named_kept_and_continue_finishes(kind: str, name: str, fleet: FleetEnv) -> None:
    repo = fleet.repo(FILES)
    plan = fleet.plan(plan_of(task("edit", f"echo agent > {name}; git add -f {name}", [name])))
    (repo / name).write_text("the person's\n")
    if kind == "staged":
        fleet.git("add", name)
    head = fleet.git("rev-parse", "main")

    outcome = fleet.run("wave", plan, "--yes").ok(3)

    assert name in outcome.text
    assert (repo / name).read_text() == "the person's\n"
    assert fleet.git("rev-parse", "main") == head

    (repo / name).rename(fleet.root / "kept")
    if kind in {"staged", "unstaged"}:
        fleet.git("checkout", "-q", "HEAD", "--", name)
    fleet.run("continue").ok()

    assert (repo / name).read_text() == "agent\n"
    assert states(fleet, repo) == {"edit": "landed"}
    assert_nothing_remains(fleet, repo)


def test_a_touched_file_is_no_obstacle(fleet: FleetEnv) -> None:
    repo = fleet.repo(FILES)
    os.utime(repo / "tracked.txt", (1, 1))

    fleet.run("wave", fleet.plan(plan_of(task("edit", "echo agent > tracked.txt", ["tracked.txt"]))), "--yes").ok()

    assert (repo / "tracked.txt").read_text() == "agent\n"


def test_an_open_rebase_of_the_target_is_a_refusal_before_anything_starts(fleet: FleetEnv) -> None:
    repo = fleet.repo(FILES)
    fleet.git("switch", "-qc", "side")
    (repo / "tracked.txt").write_text("side\n")
    fleet.git("commit", "-qam", "side")
    fleet.git("switch", "-q", "main")
    (repo / "tracked.txt").write_text("main\n")
    fleet.git("commit", "-qam", "main")
    assert fleet.git_raw("rebase", "side").returncode != 0

    outcome = fleet.run("wave", fleet.plan(plan_of(NEW)), "--yes", "--target", "main").ok(3)

    assert "rebase" in outcome.text
    assert session_ids(fleet, repo) == []


COMMANDS = {
    "switch": "git switch -q early",
    "stash": "git stash -q -u",
    "clean": "git clean -fdxq",
    "reset": "git reset -q --hard",
    "commit": "echo more >> theirs.txt && git add -A && git commit -qm 'A commit of theirs'",
}


@pytest.mark.slow
@pytest.mark.share(2)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("moment", ["mid-wave", "boundary"])
def test_a_persons_commands_during_a_session(command: str, moment: str, fleet: FleetEnv) -> None:
    """Agents stop in mid-wave, the check stops at each boundary; at each stop the person runs the command."""
    repo = fleet.repo(FILES)
    fleet.git("branch", "early")
    inside, between = fleet.point("inside"), fleet.point("between")
    fleet.config(repo, config_of([between.shell]))
    tasks = [
        task(f"t{n}", f"echo {n} > made{n}.txt; {inside.shell}", [f"made{n}.txt"], *([f"t{n - 1}"] if n > 1 else []))
        for n in (1, 2, 3)
    ]
    session = fleet.start("wave", fleet.plan(plan_of(*tasks)), "--yes")

    for _ in range(3):
        inside.wait()
        if moment == "mid-wave":
            person(fleet, repo, COMMANDS[command])
        inside.release()
        between.wait()
        if moment == "boundary":
            person(fleet, repo, COMMANDS[command])
        between.release()
        if command == "commit" and moment == "boundary":
            between.wait()  # the target moved, so that the candidate is built and checked again
            between.release()
    assert settle(fleet, repo, fleet.finish(session).code) == 0
    assert_three_landed(fleet, repo)


@pytest.mark.slow
@pytest.mark.share(2)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_persons_commands_right_after_each_landing(command: str, fleet: FleetEnv) -> None:
    """The person sees a landing in ``events -f`` and runs the command, while the next wave starts."""
    repo = fleet.repo(FILES)
    fleet.git("branch", "early")
    inside = fleet.point("inside")
    first = task("t1", f"echo 1 > made1.txt; {inside.shell}", ["made1.txt"])
    rest = [task(f"t{n}", f"echo {n} > made{n}.txt", [f"made{n}.txt"], f"t{n - 1}") for n in (2, 3)]
    session = fleet.start("wave", fleet.plan(plan_of(first, *rest)), "--yes")
    inside.wait()
    follower = fleet.start("events", "-f", "--json")
    assert follower.stdout is not None
    inside.release()

    landings = 0
    for line in follower.stdout:
        kind = json.loads(line)["kind"]
        if kind == "session-end":
            break
        if kind == "land":
            landings += 1
            person(fleet, repo, COMMANDS[command])
    follower.kill()
    follower.communicate()

    assert landings >= 1
    assert settle(fleet, repo, fleet.finish(session).code) == 0
    assert_three_landed(fleet, repo)


def assert_three_landed(fleet: FleetEnv, repo: Path) -> None:
    """All three tasks landed once with their records, and no live state is in a commit."""
    assert states(fleet, repo) == dict.fromkeys(("t1", "t2", "t3"), "landed")
    names = fleet.git("ls-tree", "-r", "--name-only", "main").splitlines()
    assert {"made1.txt", "made2.txt", "made3.txt"} <= set(names)
    recorded = [name for name in names if name.startswith(".planning/sessions/") and "/runs/" in name]
    assert len(recorded) == 3
    assert not [name for name in names if ".planning/live" in name or ".planning/coordination" in name]
    for run in state_runs(fleet, repo).values():
        assert run.merge is not None
        fleet.git("merge-base", "--is-ancestor", run.merge.commit, "main")
    assert_nothing_remains(fleet, repo, clean=False)


def person(fleet: FleetEnv, repo: Path, command: str) -> None:
    """Run a command as the person in their checkout, after leaving some work there."""
    (repo / "scratch.txt").write_text("theirs\n")
    line = ["-c", f"alias.person=!{command}", "person"]
    done = fleet.git_raw(*line, cwd=repo)
    for _ in range(1000):
        if done.returncode == 0:
            break
        done = fleet.git_raw(*line, cwd=repo)  # a landing holds the index for a moment; a person tries again
    assert done.returncode == 0, done.stderr.decode()
