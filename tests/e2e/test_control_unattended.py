"""The same commands where nobody runs the session: it was saved, or its coordinator was killed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest

from gitfleet.model.base import encode
from gitfleet.model.run import Failure, FailureSource, RunState
from gitfleet.model.session import Verdicts
from gitfleet.store.layout import Layout
from tests.e2e.test_control_running import assert_nothing_held, events, once, session_state, writes
from tests.support.sessions import (
    assert_nothing_remains,
    common_dir,
    plan_of,
    session_ids,
    state_runs,
    states,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv, SyncPoint

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("an attempt that was stopped keeps its tree")]


def orphaned(fleet: FleetEnv, *names: str) -> tuple[Path, list[SyncPoint]]:
    """A session whose coordinator was killed while the agents of these tasks wait; ``last`` depends on them."""
    repo = fleet.repo()
    points = [fleet.point(name) for name in names]
    plan = plan_of(*(writes(point.name, once(fleet, point)) for point in points), writes("last", "true", *names))
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    for point in points:
        point.wait()
    session.kill()
    fleet.finish(session).ok(-9)
    return repo, points


def agents(repo: Path) -> list[psutil.Process]:
    """Processes that work in the worktrees of a repository's agents."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.path.realpath(process.cwd()).startswith(f"{repo.resolve()}.fleet/"):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_stop_ends_what_outlived_its_coordinator(fleet: FleetEnv) -> None:
    repo, _ = orphaned(fleet, "one", "two")
    assert agents(repo)
    (row,) = fleet.run("stop", "--json").ok().json["sessions"]
    assert (row["state"], row["coordinator"]) == ("needs-continue", False)
    assert not agents(repo)
    assert states(fleet, repo) == {"one": "queued", "two": "queued", "last": "queued"}
    assert not list(common_dir(fleet, repo).glob("gitfleet/state/claims/*"))
    for name in ("one", "two"):
        wip = f"refs/gitfleet/wip/{state_runs(fleet, repo)[name].instance}/1"
        assert fleet.git("show", f"{wip}:{name}.txt") == name
    assert "was saved already" in fleet.run("stop").ok().out
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}
    assert_nothing_held(fleet, repo)


def test_a_pause_outlasts_continue_until_it_is_resumed(fleet: FleetEnv) -> None:
    repo, (point,) = orphaned(fleet, "one")
    said = fleet.run("pause").ok().out
    assert "nobody runs it" in said
    assert "1 agent of it still runs" in said
    assert session_state(fleet) == "paused"
    assert "it is paused" in fleet.run("status").ok().out
    point.release()
    ended = fleet.run("continue").ok(3)
    # What ran is collected and landed, and nothing new is started.
    assert "landed one" in ended.out
    assert "gitfleet resume" in ended.out
    assert states(fleet, repo) == {"one": "landed", "last": "queued"}
    assert session_state(fleet) == "paused"
    fleet.run("continue").ok(3)
    assert "gitfleet continue" in fleet.run("resume").ok().out
    assert session_state(fleet) == "needs-continue"
    assert "is not paused" in fleet.run("resume").ok().out
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}
    assert_nothing_remains(fleet, repo)


def test_a_pause_outlasts_the_death_of_its_coordinator_and_a_stop_takes_it_back(fleet: FleetEnv) -> None:
    fleet.repo()
    point = fleet.point("one")
    session = fleet.start("wave", fleet.plan(plan_of(writes("one", once(fleet, point)))), "--yes")
    point.wait()
    fleet.run("pause").ok()
    session.terminate()
    fleet.finish(session).ok(130)
    assert session_state(fleet) == "paused"
    fleet.run("continue").ok(3)
    fleet.run("stop").ok()
    assert session_state(fleet) == "needs-continue"
    fleet.run("continue").ok()


def test_a_drain_says_that_nothing_starts_anyway(fleet: FleetEnv) -> None:
    repo, (point,) = orphaned(fleet, "one")
    said = fleet.run("drain").ok().out
    assert "Nobody runs session" in said
    assert "gitfleet pause" in said
    assert session_state(fleet) == "active"
    point.release()
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}


def test_continue_takes_a_drain_for_over(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("one")
    plan = plan_of(writes("one", once(fleet, point)), writes("two", "true", "one"))
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    point.wait()
    fleet.run("drain").ok()
    session.kill()
    fleet.finish(session).ok(-9)
    assert "its coordinator is gone" in fleet.run("status").ok().out
    point.release()
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}


def test_an_interrupt_needs_no_coordinator(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    heard = f"trap 'echo heard >> one.txt; exit 0' INT; {once(fleet, point)}"
    session = fleet.start("wave", fleet.plan(plan_of(writes("one", heard))), "--yes")
    point.wait()
    session.kill()
    fleet.finish(session).ok(-9)
    fleet.run("interrupt", "one").ok()
    assert events(fleet, repo)[-1].get("status") == "interrupt"
    fleet.run("continue").ok()
    assert (repo / "one.txt").read_text() == "one\nheard\n"
    refused = fleet.run("interrupt", "one").ok(2)
    assert "is closed" in refused.err


def test_a_restart_of_what_still_runs(fleet: FleetEnv) -> None:
    repo, _ = orphaned(fleet, "one")
    said = fleet.run("restart", "one").ok().out
    assert "as attempt 2" in said
    assert "gitfleet continue" in said
    assert not agents(repo)
    run = state_runs(fleet, repo)["one"]
    assert (run.state, run.attempts[0].outcome) == ("queued", "restarted")
    assert not list(common_dir(fleet, repo).glob("gitfleet/state/claims/*"))
    assert fleet.git("show", f"refs/gitfleet/wip/{run.instance}/1:one.txt") == "one"
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}
    assert_nothing_held(fleet, repo)


def test_a_restart_of_what_failed(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    fails_once = f"mkdir '{fleet.root}/failed' 2>/dev/null && exit 1; true"
    plan = plan_of(writes("bad", fails_once), writes("next", "true", "bad"), writes("slow", once(fleet, point)))
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    point.wait()
    assert session.stdout is not None
    assert any("next skipped" in line for line in session.stdout)
    fleet.run("stop").ok()
    fleet.finish(session).ok(130)
    fleet.run("restart", "bad").ok()
    assert states(fleet, repo) == {"bad": "queued", "next": "queued", "slow": "queued"}
    assert "nothing to start again" in fleet.run("restart", "slow").ok(2).err
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}


def test_with_no_session_there_is_nothing_to_steer(fleet: FleetEnv) -> None:
    fleet.repo()
    for command in ("pause", "resume", "drain", "stop"):
        assert "no open session" in fleet.run(command).ok(2).err
        assert fleet.run(command, "nowhere-aaaaaa", "--json").ok(2).json["error"]["code"] == "unknown-session"
    for command in ("interrupt", "restart"):
        assert "no instance or task" in fleet.run(command, "one").ok(2).err
    assert fleet.run("stop", "--all", "--json").ok().json["sessions"] == []
    assert session_ids(fleet, fleet.root / "repo") == []


def test_what_was_decided_before_a_crash_does_not_undo_a_restart(fleet: FleetEnv) -> None:
    repo, _ = orphaned(fleet, "one")
    fleet.run("stop").ok()
    # The coordinator died after it decided that the run failed, and before the run's own record said so.
    run = state_runs(fleet, repo)["one"]
    failure = Failure(source=FailureSource.VERIFIER, code="check-failed", message="The candidate fails.")
    decided = msgspec.structs.replace(run, state=RunState.FAILED, failure=failure)
    (session,) = session_ids(fleet, repo)
    verdicts = Layout(common_dir(fleet, repo)).verdicts(session)
    verdicts.write_bytes(encode(Verdicts(runs=(decided,))))
    fleet.run("restart", run.instance).ok()
    assert states(fleet, repo)["one"] == "queued"
    assert not verdicts.exists()
