"""What keeps a landing from happening: files in the way, a moved or a deleted target, a red base, a conflict."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from gitfleet.integrate.landing.checkouts import Checkout
from gitfleet.integrate.landing.intent import Intent, Workspace
from gitfleet.model.base import decode
from gitfleet.model.session import PendingLanding
from tests.support.sessions import (
    assert_nothing_remains,
    common_dir,
    config_of,
    merge_commits,
    plan_of,
    state_runs,
    states,
    task,
)

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")


def counting(fleet: FleetEnv, name: str) -> str:
    return f"echo x >> '{fleet.root}/{name}.count'"


def count(fleet: FleetEnv, name: str) -> int:
    path = fleet.root / f"{name}.count"
    return len(path.read_text().split()) if path.exists() else 0


OBSTACLES = {
    "staged": "echo mine > kept.txt; git add kept.txt",
    "unstaged": "echo mine > kept.txt",
    "untracked": "echo mine > new.txt",
    "ignored": "echo new.txt >> .git/info/exclude; echo mine > new.txt",
}


@pytest.mark.slow
@pytest.mark.share(2)
@pytest.mark.parametrize("kind", OBSTACLES)
@pytest.mark.parametrize("moved", [False, True], ids=["there", "moved"])
def test_files_in_the_way_wait_and_nothing_is_done_again(kind: str, fleet: FleetEnv, *, moved: bool) -> None:
    repo = fleet.repo({"kept.txt": "old\n"})
    fleet.config(repo, config_of([counting(fleet, "checks")]))
    point = fleet.point("here")
    command = f"{counting(fleet, 'agents')}; echo new > kept.txt; echo new > new.txt; git add -A; git commit -qm new"
    command = f"{command}; {point.shell}"
    session = fleet.start("wave", fleet.plan(plan_of(task("one", command, ["kept.txt", "new.txt"]))), "--yes")
    point.wait()
    fleet.shell(OBSTACLES[kind], repo)
    path = "kept.txt" if "kept" in OBSTACLES[kind] else "new.txt"
    point.release()

    stopped = fleet.finish(session).ok(3)

    assert path in stopped.out
    assert (repo / path).read_text() == "mine\n"
    assert states(fleet, repo) == {"one": "verified"}
    assert fleet.git("for-each-ref", "refs/gitfleet/candidates") != ""
    assert fleet.run("continue").ok(3).out.count(path) >= 1
    fleet.shell(f"git rm -q --cached {path}; mv {path} ../mine.txt; git reset -q; git checkout -q . ", repo)
    if moved:
        fleet.shell("echo theirs > theirs.txt; git add theirs.txt; git commit -qm Theirs", repo)

    fleet.run("continue").ok()

    assert states(fleet, repo) == {"one": "landed"}
    assert (repo / path).read_text() == "new\n"
    assert (fleet.root / "mine.txt").read_text() == "mine\n"
    assert count(fleet, "agents") == 1
    assert count(fleet, "checks") == (2 if moved else 1)
    assert len(merge_commits(fleet, repo)) == 1
    assert fleet.git("for-each-ref", "refs/gitfleet/candidates") == ""
    assert_nothing_remains(fleet, repo)


def test_a_target_in_two_worktrees(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    other = fleet.root / "other"
    fleet.git("worktree", "add", "-q", "--force", other, "main")
    fleet.run("wave", fleet.plan(plan_of(task("one", "echo one > one.txt", ["one.txt"]))), "--yes").ok()
    for place in (repo, other):
        assert (place / "one.txt").read_text() == "one\n"
        assert fleet.git("status", "--porcelain", cwd=place) == ""


@pytest.mark.slow
def test_a_target_that_is_deleted_and_comes_back(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.git("branch", "work")
    point = fleet.point("here")
    command = f"echo one > one.txt; {point.shell}"
    session = fleet.start("wave", fleet.plan(plan_of(task("one", command, ["one.txt"]))), "--yes", "--target", "work")
    point.wait()
    fleet.git("branch", "-qD", "work")
    point.release()

    assert "work does not exist any more" in fleet.finish(session).ok(3).text
    fleet.run("continue").ok(3)
    fleet.git("branch", "work")
    fleet.run("continue").ok()

    assert fleet.git("show", "work:one.txt") == "one"
    assert_nothing_remains(fleet, repo)


def test_a_branch_named_like_the_prefix_is_refused_at_the_start(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.git("branch", "fleet")
    refused = fleet.run("wave", fleet.plan(plan_of(task("one", "true", ["one.txt"]))), "--yes").ok(3)
    assert "branch named fleet" in refused.text
    assert not common_dir(fleet, repo).joinpath("gitfleet/state/sessions").exists()


def test_a_red_base_is_mended_and_continue_finishes(fleet: FleetEnv) -> None:
    repo = fleet.repo({"broken": "yes\n"})
    fleet.config(repo, config_of(["test ! -e broken"]))
    plan = plan_of(
        task("one", f"{counting(fleet, 'agents')}; echo one > one.txt", ["one.txt"]),
        task("two", "echo two > two.txt", ["two.txt"], "one"),
    )
    stopped = fleet.run("wave", fleet.plan(plan), "--yes").ok(3)
    assert "main itself fails: test ! -e broken" in stopped.text
    assert states(fleet, repo) == {"one": "gated", "two": "queued"}

    fleet.git("rm", "-q", "broken")
    fleet.git("commit", "-qm", "Mend")
    fleet.run("continue").ok()

    assert states(fleet, repo) == {"one": "landed", "two": "landed"}
    assert count(fleet, "agents") == 1
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
def test_a_red_candidate_fails_its_runs_and_later_waves_go_on(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(["test ! -e bad.txt"], waves={"max_agents": 1}))
    plan = plan_of(
        task("bad", "echo x > bad.txt", ["bad.txt"]),
        task("after", "echo x > after.txt", ["after.txt"], "bad"),
        task("free", "echo x > free.txt", ["free.txt"]),
    )
    fleet.run("wave", fleet.plan(plan), "--yes").ok(1)
    assert states(fleet, repo) == {"bad": "failed", "after": "skipped", "free": "landed"}
    assert_nothing_remains(fleet, repo)


CHECKS = {
    "writes": ("echo more >> README.md", "README.md"),
    "commits what it wrote": ("echo more >> README.md; git commit -qam more", "README.md"),
    "adds to the index": ("echo more > more.txt; git add more.txt", "more.txt"),
    "deletes its index": ("rm -f $(git rev-parse --git-dir)/index", "changed tracked files"),
    "takes its tree away": ("rm -rf $PWD", "changed tracked files"),
    "kills its parent": ("kill -9 $PPID", "signal"),
    "kills itself": ("kill -9 $$", "signal 9"),
}


@pytest.mark.slow
@pytest.mark.share(2)
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_that_misbehaves_is_red_and_the_session_goes_on(name: str, fleet: FleetEnv) -> None:
    """Red on the candidate only: on the base the check does nothing."""
    repo = fleet.repo()
    command, said = CHECKS[name]
    fleet.config(repo, config_of([f"test -e one.txt || exit 0; {command}"]))
    plan = plan_of(task("one", "echo x > one.txt", ["one.txt"]), task("two", "echo x > two.txt", ["two.txt"]))
    outcome = fleet.run("wave", fleet.plan(plan), "--yes", "--max-agents", "1").ok(1)
    assert states(fleet, repo) == {"one": "failed", "two": "landed"}
    if name != "kills its parent":
        assert said in outcome.out
    assert (repo / "README.md").read_text() == "A project.\n"
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
def test_a_check_that_leaves_processes_and_a_lock_behind(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(["setsid sleep 1000 & touch $(git rev-parse --git-dir)/index.lock"]))
    plan = plan_of(task("one", "echo x > one.txt", ["one.txt"]), task("two", "echo x > two.txt", ["two.txt"], "one"))
    fleet.run("wave", fleet.plan(plan), "--yes").ok()
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
def test_a_check_that_takes_too_long(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    slow = {"run": "test ! -e one.txt || sleep 1000", "timeout_seconds": 1}
    fleet.config(repo, json.dumps({"schema": "gitfleet/config/v1", "verify": {"commands": [slow]}}))
    outcome = fleet.run("wave", fleet.plan(plan_of(task("one", "echo x > one.txt", ["one.txt"]))), "--yes").ok(1)
    assert "deadline" in outcome.out
    assert states(fleet, repo) == {"one": "failed"}


def test_a_conflict_does_not_keep_others_from_landing(fleet: FleetEnv) -> None:
    repo = fleet.repo({"shared.txt": "one\n"})
    point = fleet.point("here")
    plan = plan_of(
        task("edit", f"echo agent > shared.txt; {point.shell}", ["shared.txt"]),
        task("free", "echo x > free.txt", ["free.txt"]),
        task("after", "echo x > after.txt", ["after.txt"], "edit"),
    )
    fleet.config(repo, config_of((), conflict="hold"))
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    point.wait()
    fleet.shell("echo person > shared.txt; git commit -qam Theirs", repo)
    point.release()
    fleet.finish(session).ok(3)
    assert states(fleet, repo) == {"edit": "conflicted", "free": "landed", "after": "queued"}
    run = state_runs(fleet, repo)["edit"]
    assert fleet.git("show", f"{run.branch}:shared.txt") == "agent"
    fleet.run("check").ok()
    fleet.run("cancel", "edit").ok()
    fleet.run("continue").ok(1)
    assert states(fleet, repo) == {"edit": "cancelled", "free": "landed", "after": "skipped"}
    assert_nothing_remains(fleet, repo)


def test_a_landing_that_moved_the_target_and_not_all_files_is_finished(fleet: FleetEnv) -> None:
    """What a machine leaves that died between the swap and the files, where a person then wrote into one of them."""
    repo = fleet.repo({"kept.txt": "old\n"})
    point = fleet.point("here")
    command = f"{counting(fleet, 'agents')}; echo new > kept.txt; {point.shell}"
    session = fleet.start("wave", fleet.plan(plan_of(task("one", command, ["kept.txt"]))), "--yes")
    point.wait()
    (repo / "kept.txt").write_text("mine\n")
    point.release()
    fleet.finish(session).ok(3)
    common = common_dir(fleet, repo)
    pending = decode(next(common.glob("gitfleet/state/sessions/*/landing.json")).read_bytes(), PendingLanding)
    name = f"{pending.session.id}-w{pending.number}"
    intent = Intent(
        id=name,
        target=pending.target,
        old=pending.previous,
        new=pending.commit,
        refs={f"refs/gitfleet/landed/{pending.session.id}/w{pending.number}": pending.commit},
    )
    workspace = Workspace(common / "gitfleet/landings" / name)
    with workspace.held():
        workspace.write(intent.holding([Checkout(repo, common)]))
        shutil.copy2(common / "index", workspace.marker(0))
        workspace.lock(0, Checkout(repo, common)).prepare(name)
    fleet.git("update-ref", "-m", f"gitfleet: land {name}", pending.target, pending.commit)

    stopped = fleet.run("continue").ok(3)
    assert "kept.txt" in stopped.text
    fleet.run("continue").ok(3)
    assert (repo / "kept.txt").read_text() == "mine\n"
    (repo / "kept.txt").rename(fleet.root / "mine.txt")
    fleet.run("continue").ok()

    assert (repo / "kept.txt").read_text() == "new\n"
    assert states(fleet, repo) == {"one": "landed"}
    assert count(fleet, "agents") == 1
    assert len(merge_commits(fleet, repo)) == 1
    assert not list(common.glob("gitfleet/landings/*"))
    assert_nothing_remains(fleet, repo)
