"""Ctrl-C at every stage of a session: work is kept, and ``continue`` ends where no Ctrl-C would have."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from gitfleet.store.layout import Layout
from gitfleet.store.queues import target_lock
from tests.support.fleet import write
from tests.support.sessions import (
    assert_nothing_remains,
    common_dir,
    config_of,
    merge_commits,
    plan_of,
    session_ids,
    state_runs,
    states,
    task,
    tree_without_planning,
)

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.support.fleet import FleetEnv, Outcome, SyncPoint

pytestmark = pytest.mark.leaves_worktrees("an attempt that was stopped keeps its tree")

BLOBS = {"one.txt": "one\n", "two.txt": "one\ntwo\n"}
STAGES = ["running", "own-check", "verifying", "second-wave"]


def once(fleet: FleetEnv, point: SyncPoint) -> str:
    """Wait at the point the first time, and pass it ever after."""
    mark = fleet.root / f"{point.name}.passed"
    return f"if mkdir '{mark}' 2>/dev/null; then {point.shell}; fi"


def session_of_two(fleet: FleetEnv, stage: str, point: SyncPoint) -> tuple[Path, Path]:
    """A repository and a plan of two waves that stops once at one stage."""
    repo = fleet.repo()
    stop = once(fleet, point)
    at = {name: stop if name == stage else "true" for name in STAGES}
    fleet.config(repo, config_of([at["verifying"]]))
    own = [{"run": f"{at['own-check']}; test -s one.txt"}]
    first = task("one", f"echo one > one.txt; {at['running']}", ["one.txt"], verify=own)
    second = task("two", f"cat one.txt > two.txt; {at['second-wave']}; echo two >> two.txt", ["two.txt"], "one")
    return repo, fleet.plan(plan_of(first, second))


def interrupted(fleet: FleetEnv, session: subprocess.Popen[str]) -> Outcome:
    session.send_signal(signal.SIGINT)
    return fleet.finish(session).ok(130)


def assert_as_undisturbed(fleet: FleetEnv, repo: Path) -> None:
    assert {name: (repo / name).read_text() for name in BLOBS} == BLOBS
    assert set(tree_without_planning(fleet, repo, "main")) == {"README.md", *BLOBS}
    assert set(states(fleet, repo).values()) == {"landed"}
    assert len(merge_commits(fleet, repo)) == 2
    common = common_dir(fleet, repo)
    assert not list(common.glob("gitfleet/state/claims/*"))
    assert not list(common.glob("gitfleet/state/sessions/*/landing.json"))
    assert fleet.git("fsck", "--no-dangling", "--no-progress") == ""
    assert fleet.git("status", "--porcelain") == ""
    assert fleet.git("for-each-ref", "refs/gitfleet/candidates") == ""
    fleet.run("check").ok()


@pytest.mark.parametrize("stage", STAGES)
def test_a_first_interrupt_saves_and_continue_finishes(stage: str, fleet: FleetEnv) -> None:
    point = fleet.point("here")
    repo, plan = session_of_two(fleet, stage, point)
    session = fleet.start("wave", plan, "--yes")
    point.wait()

    interrupted(fleet, session)

    assert not list(common_dir(fleet, repo).glob("gitfleet/state/claims/*-w2-*"))
    report = fleet.run("status", "--json").json
    assert report["sessions"][0]["state"] == "needs-continue"
    runs = state_runs(fleet, repo)
    if stage == "running":
        # Before it was told to stop, and as it left it: then its work was committed.
        kept = fleet.git("for-each-ref", "--format=%(refname)", "refs/gitfleet/wip").splitlines()
        assert kept == [f"refs/gitfleet/wip/{runs['one'].instance}/{number}" for number in (1, 2)]
        assert [fleet.git("show", f"{wip}:one.txt") for wip in kept] == ["one", "one"]
    if stage == "own-check":
        assert runs["one"].state == "finished"
    fleet.run("continue").ok()
    assert_as_undisturbed(fleet, repo)
    if stage == "own-check":
        assert [check.exit_code for check in state_runs(fleet, repo)["one"].checks] == [0]
        assert len(state_runs(fleet, repo)["one"].attempts) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_a_second_interrupt_leaves_at_once_and_continue_finishes(stage: str, fleet: FleetEnv) -> None:
    point = fleet.point("here")
    repo, plan = session_of_two(fleet, stage, point)
    session = fleet.start("wave", plan, "--yes")
    point.wait()

    session.send_signal(signal.SIGINT)
    assert session.stderr is not None
    session.stderr.readline()
    session.send_signal(signal.SIGINT)
    fleet.finish(session).ok(130)

    # Whoever was not told to stop any more is adopted, and gets to its end.
    point.release()
    fleet.run("continue").ok()
    assert_as_undisturbed(fleet, repo)


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True])
def test_an_agent_that_ignores_every_polite_signal(fleet: FleetEnv, *, again: bool) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    command = f"trap '' INT TERM; echo one > one.txt; {once(fleet, point)}"
    session = fleet.start("wave", fleet.plan(plan_of(task("one", command, ["one.txt"]))), "--yes")
    point.wait()
    session.send_signal(signal.SIGINT)
    if again:
        assert session.stdout is not None
        assert any("stopping agents" in line for line in session.stdout)
        session.send_signal(signal.SIGINT)
    fleet.finish(session).ok(130)

    fleet.run("continue").ok()

    run = state_runs(fleet, repo)["one"]
    assert run.state == "landed"
    assert [attempt.outcome for attempt in run.attempts] == ["interrupted", "success"]
    kept = fleet.git("for-each-ref", "--format=%(refname)", "refs/gitfleet/wip").splitlines()
    assert kept == [f"refs/gitfleet/wip/{run.instance}/{number}" for number in (1, 2)]


def test_an_interrupt_while_another_train_is_waited_for(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("done")
    plan = fleet.plan(plan_of(task("one", f"echo one > one.txt; {once(fleet, point)}", ["one.txt"])))
    layout = Layout(common_dir(fleet, repo))
    with target_lock(layout, "refs/heads/main", timeout=5, command="another session"):
        session = fleet.start("wave", plan, "--yes")
        point.wait()
        point.release()
        assert session.stdout is not None
        for line in session.stdout:
            if "passed the gate" in line:
                break
        interrupted(fleet, session)

    assert states(fleet, repo) == {"one": "gated"}
    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed"}
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
def test_an_interrupt_while_a_held_index_is_waited_for(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    lock = repo / ".git/index.lock"
    point = fleet.point("done")
    plan = fleet.plan(plan_of(task("one", f"echo one > one.txt; {once(fleet, point)}", ["one.txt"])))
    session = fleet.start("wave", plan, "--yes")
    point.wait()
    lock.touch()
    point.release()
    assert session.stdout is not None
    for line in session.stdout:
        if "passed the gate" in line:
            break
    interrupted(fleet, session)
    assert lock.read_bytes() == b""
    lock.unlink()

    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed"}
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
def test_an_interrupt_while_a_claim_is_waited_for(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    claim = repo / ".planning/coordination/claims/other.json"
    write(
        repo, {".planning/coordination/claims/other.json": json.dumps({"instanceId": "them-1", "scope": ["one.txt"]})}
    )
    session = fleet.start("wave", fleet.plan(plan_of(task("one", "echo one > one.txt", ["one.txt"]))), "--yes")
    assert session.stdout is not None
    said = next(line for line in session.stdout if "waits" in line)
    assert "them-1" in said

    interrupted(fleet, session)

    assert states(fleet, repo) == {"one": "queued"}
    claim.unlink()
    os.removedirs(claim.parent)
    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed"}
    assert_nothing_remains(fleet, repo)


def test_continue_with_nothing_to_do_says_so(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    assert "no session to continue" in fleet.run("continue").ok().out
    fleet.run("wave", fleet.plan(plan_of(task("one", "echo one > one.txt", ["one.txt"]))), "--yes").ok()
    assert "no session to continue" in fleet.run("continue").ok().out
    (session,) = session_ids(fleet, repo)
    assert f"session {session} is closed" in fleet.run("continue", session).ok().out
