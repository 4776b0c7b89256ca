"""The radar in whole sessions: a conflict that two agents head for is told, the later one stands, a crash included."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.e2e.test_stalls import look, until
from tests.support.sessions import assert_nothing_remains, common_dir, config_of, plan_of, states, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv, SyncPoint

pytestmark = pytest.mark.slow


def live(fleet: FleetEnv) -> dict[str, Any]:
    """What ``status`` says of the one session."""
    (session,) = look(fleet, "status")["sessions"]
    return dict(session)


def activities(fleet: FleetEnv) -> dict[str, str]:
    return {row["task"]: row["activity"] for row in live(fleet)["live"]}


def told(fleet: FleetEnv, kind: str) -> list[tuple[str, str]]:
    events = look(fleet, "events")["events"]
    return [(event["task"], event["status"]) for event in events if event["kind"] == kind]


def writes(name: str, point: SyncPoint) -> dict[str, object]:
    """A task that has something in a file of both for a while, and takes it away again."""
    work = f"echo {name} > shared.txt; {point.shell}; rm shared.txt; echo {name} > {name}.txt"
    return task(name, work, [f"{name}.txt"])


def test_the_later_agent_stands_through_a_crash_and_goes_on_when_the_earlier_ended(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(radar={"policy": "pause-later", "every_seconds": 1}, timeouts={"stall": 2}))
    points = {name: fleet.point(name) for name in ("one", "two")}
    plan = fleet.plan(plan_of(*(writes(name, point) for name, point in points.items())))
    coordinator = fleet.start("wave", plan, "--yes")
    for point in points.values():
        point.wait()
    until(lambda: "paused" in activities(fleet).values())
    row = live(fleet)
    later = next(name for name, activity in activities(fleet).items() if activity == "paused")
    earlier = ({"one", "two"} - {later}).pop()
    (prediction,) = row["predictions"]
    assert (prediction["task"], prediction["other"], prediction["paths"]) == (later, earlier, ["shared.txt"])
    assert prediction["kinds"] == ["contents"]
    (note,) = [run["note"] for run in row["live"] if run["task"] == later]
    assert note == f"paused: predicted conflict with {earlier} in shared.txt"
    assert f"paused (predicted conflict with {earlier} in shared.txt)" in fleet.run("inspect", later).ok().out
    assert f"{later} would conflict with {earlier} in shared.txt (contents)" in fleet.run("status").out
    conflicts = fleet.run("conflicts", "--json").ok(1).json["conflicts"]
    assert [pair["paths"] for pair in conflicts] == [["shared.txt"]]

    store = common_dir(fleet, repo)
    coordinator.send_signal(signal.SIGKILL)
    fleet.finish(coordinator)
    again = fleet.start("continue")
    # It starts from nothing: what stood goes on, is seen to conflict, and stands again.
    until(lambda: told(fleet, "pause").count((later, "paused")) == 2)
    until(lambda: activities(fleet).get(later) == "paused")
    assert told(fleet, "conflict-predicted") == [(later, "predicted")]
    points[earlier].release()
    until(lambda: activities(fleet).get(later) == "working")
    points[later].release()
    fleet.finish(again).ok()
    assert states(fleet, repo) == {"one": "landed", "two": "landed"}
    assert told(fleet, "conflict-predicted") == [(later, "predicted"), (later, "cleared")]
    assert told(fleet, "pause")[-1] == (later, "resumed")
    # The one that waits for the test is silent; the one that stands is not.
    assert later not in {name for name, _ in told(fleet, "stall")}
    assert list((store / "gitfleet/radar").iterdir()) == []
    assert_nothing_remains(fleet, repo)


def test_a_session_with_a_paused_agent_is_stopped_like_any_other(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(radar={"policy": "pause-later", "every_seconds": 1}))
    points = {name: fleet.point(name) for name in ("one", "two")}
    plan = fleet.plan(plan_of(*(writes(name, point) for name, point in points.items())))
    coordinator = fleet.start("wave", plan, "--yes")
    for point in points.values():
        point.wait()
    until(lambda: "paused" in activities(fleet).values())
    fleet.run("stop").ok()
    assert fleet.finish(coordinator).code == 130
    assert_no_agent(repo)
    assert set(states(fleet, repo).values()) == {"queued"}
    assert list((common_dir(fleet, repo) / "gitfleet/radar").iterdir()) == []
    for point in points.values():
        point.release()
    fleet.run("continue").ok()
    assert_nothing_remains(fleet, repo)


def assert_no_agent(repo: Path) -> None:
    """No process works below the pool of a repository."""
    pool = f"{repo}.fleet"
    for process in psutil.process_iter():
        try:
            assert not os.path.realpath(process.cwd()).startswith(pool)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess, OSError):
            continue
