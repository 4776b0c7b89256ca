"""A target that fails before anything is done: known, it starts nothing; mended, everything goes on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import assert_nothing_remains, common_dir, config_of, plan_of, session_ids, states, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

ONE = plan_of(task("one", "echo 1 > one.txt", ["one.txt"]))
CHECK = "test ! -e broken"


def broken(fleet: FleetEnv, check: str = CHECK) -> Path:
    """A repository whose main fails its check."""
    repo = fleet.repo({"broken": "yes\n"})
    fleet.config(repo, config_of([check]))
    return repo


def mend(fleet: FleetEnv) -> None:
    fleet.git("rm", "-q", "broken")
    fleet.git("commit", "-q", "-m", "Mend")


@pytest.mark.slow
def test_a_base_known_red_is_refused_before_anything_is_spawned_until_it_was_green(fleet: FleetEnv) -> None:
    repo = broken(fleet)
    before = fleet.git("rev-parse", "main")
    stopped = fleet.run("wave", fleet.plan(ONE), "--yes").ok(3)
    assert f"main itself fails: {CHECK}" in stopped.text
    assert states(fleet, repo) == {"one": "gated"}
    (session,) = session_ids(fleet, repo)
    attempts = sorted(path.name for path in (common_dir(fleet, repo) / "gitfleet/attempts").iterdir())
    refused = fleet.run("wave", fleet.plan(ONE), "--json", "--yes").ok(3)
    assert refused.json["error"]["code"] == "base-red"
    assert f"main itself fails: {CHECK}" in refused.json["error"]["message"]
    assert "gitfleet wave PLAN --recheck" in refused.json["error"]["hint"]
    # Without consent as well: nobody is asked for what is refused anyway.
    assert "main itself fails" in fleet.run("wave", fleet.plan(ONE)).ok(3).err
    assert any("main itself fails" in note for note in fleet.run("plan", fleet.plan(ONE), "--json").ok().json["notes"])
    assert fleet.run("wave", fleet.plan(ONE), "--dry-run").ok().code == 0
    assert session_ids(fleet, repo) == [session]
    assert sorted(path.name for path in (common_dir(fleet, repo) / "gitfleet/attempts").iterdir()) == attempts
    assert fleet.git("rev-parse", "main") == before
    mend(fleet)
    fleet.run("continue").ok()
    assert fleet.git("show", "main:one.txt") == "1"
    assert states(fleet, repo) == {"one": "landed"}


@pytest.mark.slow
def test_recheck_runs_the_checks_first_and_leaves_nothing_of_a_session_that_may_not_start(fleet: FleetEnv) -> None:
    # What fails is not the tree: a service that was down.
    down = fleet.root / "down"
    down.touch()
    repo = broken(fleet, f"test ! -e {down}")
    refs = fleet.git("for-each-ref")
    refused = fleet.run("wave", fleet.plan(ONE), "--yes", "--recheck", "--json").ok(3)
    assert refused.json["error"]["code"] == "base-red"
    assert session_ids(fleet, repo) == []
    assert fleet.git("for-each-ref") == refs
    assert fleet.git("worktree", "list").count("\n") == 0
    assert_nothing_remains(fleet, repo)
    assert fleet.run("doctor", "--json").json["findings"] is not None
    assert "base-red" in fleet.run("wave", fleet.plan(ONE), "--yes", "--json").ok(3).out
    down.unlink()
    # The note is not judged anew by itself.
    assert "base-red" in fleet.run("wave", fleet.plan(ONE), "--yes", "--json").ok(3).out
    told = fleet.run("wave", fleet.plan(ONE), "--yes", "--recheck").ok()
    assert f"verify: test ! -e {down} (1 of 1), on main as it is" in told.err + told.out
    assert states(fleet, repo) == {"one": "landed"}
    # Green was seen, so that nobody is refused any more.
    fleet.git("reset", "-q", "--hard", "HEAD~2")
    fleet.run("wave", fleet.plan(ONE), "--yes").ok()


def test_recheck_without_checks_has_nothing_to_do(fleet: FleetEnv) -> None:
    fleet.repo()
    assert "no checks are configured" in fleet.run("wave", fleet.plan(ONE), "--yes", "--recheck").ok(2).err


def test_an_interrupted_recheck_leaves_nothing(fleet: FleetEnv) -> None:
    here = fleet.point("check")
    repo = broken(fleet, here.shell)
    refs = fleet.git("for-each-ref")
    running = fleet.start("wave", fleet.plan(ONE), "--yes", "--recheck")
    here.wait()
    os.kill(running.pid, signal.SIGINT)
    fleet.finish(running).ok(130)
    assert session_ids(fleet, repo) == []
    assert fleet.git("for-each-ref") == refs
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
def test_a_killed_recheck_leaves_a_session_that_continue_takes_up(fleet: FleetEnv) -> None:
    here = fleet.point("check")
    repo = fleet.repo()
    fleet.config(repo, config_of([f"test -e {fleet.root}/go || {{ {here.shell}; }}"]))
    running = fleet.start("wave", fleet.plan(ONE), "--yes", "--recheck")
    here.wait()
    running.kill()
    fleet.finish(running)
    (fleet.root / "go").touch()
    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed"}
    assert_nothing_remains(fleet, repo)
