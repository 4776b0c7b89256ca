"""Agents that tidy up when they are told to stop: what they had is kept before they are told."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import plan_of, state_runs, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv, SyncPoint

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("an attempt that was stopped keeps its tree")]


def tidy(fleet: FleetEnv, point: SyncPoint) -> Path:
    """A plan whose agent has work in its tree at a sync point, and removes it when it is told to stop."""
    clear = "trap 'rm -f one.txt; exit 1' INT TERM"
    first = f"{clear}; printf 'an hour of work' > one.txt; {point.shell}"
    once = fleet.root / "once"
    command = f"if mkdir '{once}'; then {first}; fi; echo again > one.txt"
    return fleet.plan(plan_of(task("one", command, ["one.txt"])))


def assert_kept(fleet: FleetEnv, repo: Path) -> None:
    instance = state_runs(fleet, repo)["one"].instance
    assert fleet.git("show", f"refs/gitfleet/wip/{instance}/1:one.txt") == "an hour of work"


@pytest.mark.parametrize("how", ["ctrl-c", "stop", "restart"])
def test_what_an_agent_takes_away_when_it_is_stopped_is_kept(how: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    plan = tidy(fleet, point)
    session = fleet.start("wave", plan, "--yes")
    point.wait()
    match how:
        case "ctrl-c":
            session.send_signal(signal.SIGINT)
            fleet.finish(session).ok(130)
        case "stop":
            fleet.run("stop").ok()
            fleet.finish(session).ok(130)
        case _:
            fleet.run("restart", "one").ok()
            fleet.finish(session).ok()
    assert_kept(fleet, repo)


@pytest.mark.parametrize("how", ["stop", "restart"])
def test_also_where_nobody_runs_the_session(how: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    plan = tidy(fleet, point)
    session = fleet.start("wave", plan, "--yes")
    point.wait()
    session.kill()
    fleet.finish(session)
    fleet.run(how, *(["one"] if how == "restart" else [])).ok()
    assert_kept(fleet, repo)
