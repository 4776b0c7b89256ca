"""Agents that work without a word, and agents that do nothing: told apart, from every terminal, and dealt with."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import run
from tests.support.sessions import common_dir, config_of, plan_of, state_runs, states, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fleet import FleetEnv

STALL = 1
SECONDS = 30.0

pytestmark = pytest.mark.slow


def until(holds: Callable[[], Any], seconds: float = SECONDS) -> Any:  # noqa: ANN401 - what the caller looks for
    """Ask again and again until something is there; gives it."""
    end = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def look(fleet: FleetEnv, command: str) -> dict[str, Any]:
    """What a command tells; in this process, since it is asked again and again."""
    found: dict[str, Any] = run(command, "--repo", fleet.root / "repo", "--json").json
    return found


def live(fleet: FleetEnv) -> dict[str, Any]:
    """What ``status`` says of running agents, by task."""
    sessions = look(fleet, "status").get("sessions", ())
    return {row["task"]: row for session in sessions for row in session["live"]}


def stalls(fleet: FleetEnv) -> list[tuple[str, str]]:
    """The stall events so far: task and status."""
    events = look(fleet, "events").get("events", ())
    return [(event["task"], event["status"]) for event in events if event["kind"] == "stall"]


def idle(name: str, go: Path) -> dict[str, object]:
    """A task that waits for a FIFO and does nothing at all meanwhile."""
    return task(name, f"read -r _ <'{go}'; echo {name} > {name}.txt", [f"{name}.txt"])


def pipe(fleet: FleetEnv, name: str) -> Path:
    path = fleet.root / f"{name}.go"
    os.mkfifo(path)
    return path


def warden_of(fleet: FleetEnv, repo: Path) -> int:
    (facts,) = common_dir(fleet, repo).glob("gitfleet/attempts/*/1/warden.json")
    return int(json.loads(facts.read_text())["pid"])


@pytest.mark.slow
def test_a_compiling_agent_works_and_one_that_does_nothing_is_silent_and_neither_is_killed(fleet: FleetEnv) -> None:
    repo, stall = fleet.repo(), 4
    fleet.config(repo, config_of(timeouts={"stall": stall}))
    go, done = pipe(fleet, "idle"), fleet.root / "done"
    script = f"sh -c 'while [ ! -e {done} ]; do :; done'; echo x > compiles.txt"
    plan = plan_of(task("compiles", script, ["compiles.txt"]), idle("idle", go))
    wave = fleet.start("wave", fleet.plan(plan), "--yes")
    until(lambda: len(live(fleet)) == 2)
    begin = time.monotonic()
    until(lambda: live(fleet)["idle"]["activity"] == "silent")
    assert time.monotonic() - begin < stall + 5
    until(lambda: stalls(fleet) == [("idle", "silent")], stall + 5 - (time.monotonic() - begin))
    while time.monotonic() - begin < 2 * stall + 1:
        rows = live(fleet)
        assert (rows["compiles"]["activity"], rows["idle"]["activity"]) == ("working", "silent")
        assert rows["compiles"]["note"].startswith("quiet: ") or rows["compiles"]["last_activity_seconds"] < stall
        time.sleep(0.5)
    assert fleet.run("status", "--json").json["sessions"][0]["activities"] == {"working": 1, "silent": 1}
    done.touch()
    go.write_text("go\n")
    fleet.finish(wave).ok()
    assert states(fleet, repo) == {"compiles": "landed", "idle": "landed"}
    assert stalls(fleet) == [("idle", "silent")]


def test_a_silent_agent_is_told_everywhere_once_and_when_it_wakes_up(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(timeouts={"stall": STALL}, stall="warn"))
    go, more = pipe(fleet, "go"), pipe(fleet, "more")
    script = f"read -r _ <'{go}'; echo awake; read -r _ <'{more}'; echo x > one.txt"
    wave = fleet.start("wave", fleet.plan(plan_of(task("one", script, ["one.txt"]))), "--yes")
    until(lambda: stalls(fleet) == [("one", "silent")])
    row = live(fleet)["one"]
    assert (row["activity"], row["state"]) == ("silent", "running")
    text = fleet.run("status").out
    assert "agents: 1 silent" in text
    assert "one: no sign of life for" in text
    report = fleet.run("inspect", "one", "--json").json
    assert report["activity"] == "silent"
    assert report["note"].startswith("no sign of life")
    assert "activity:     silent" in fleet.run("inspect", "one").out
    go.write_text("go\n")
    until(lambda: ("one", "awake") in stalls(fleet))
    more.write_text("go\n")
    assert "one is silent: no output, CPU, children or file changes for" in fleet.finish(wave).ok().out
    assert stalls(fleet)[:2] == [("one", "silent"), ("one", "awake")]


def test_without_a_coordinator_status_says_the_same_and_the_next_one_does_not_say_it_again(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(timeouts={"stall": STALL}))
    go = pipe(fleet, "go")
    wave = fleet.start("wave", fleet.plan(plan_of(idle("one", go))), "--yes")
    until(lambda: stalls(fleet) == [("one", "silent")])
    wave.kill()
    fleet.finish(wave)
    row = until(lambda: live(fleet)["one"]["needs_person"] and live(fleet)["one"])
    assert row["activity"] == "silent"
    reasons = [need["reason"] for need in fleet.run("status", "--json").json["needs"]]
    assert reasons[0] == "its coordinator is gone"
    assert reasons[1].startswith("silent: no sign of life for")
    again = fleet.start("continue")
    until(lambda: fleet.run("status", "--json").json["sessions"][0]["coordinator"])
    os.kill(warden_of(fleet, repo), signal.SIGCONT)  # means nothing to one that runs
    go.write_text("go\n")
    fleet.finish(again).ok()
    assert stalls(fleet).count(("one", "silent")) == 1
    assert states(fleet, repo) == {"one": "landed"}


def test_files_that_change_are_life(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(timeouts={"stall": STALL}))
    go = pipe(fleet, "go")
    wave = fleet.start("wave", fleet.plan(plan_of(idle("one", go))), "--yes")
    until(lambda: live(fleet).get("one", {}).get("activity") == "silent")
    (tree,) = (fleet.root / "repo.fleet").glob("*/.fleet-instance-id")

    def works_by_its_files() -> bool:
        (tree.parent / "one.txt").write_text("somebody writes\n")
        row = live(fleet)["one"]
        return row["activity"] == "working" and ", files " in row["note"]

    until(works_by_its_files)
    go.write_text("go\n")
    fleet.finish(wave).ok()


@pytest.mark.leaves_worktrees("a run that did not land keeps its tree")
def test_interrupt_is_sent_once_a_stall_and_a_person_is_asked_when_it_changes_nothing(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(timeouts={"stall": STALL}, stall="interrupt"))
    go, deaf = pipe(fleet, "go"), pipe(fleet, "deaf")
    hears = "trap 'echo interrupted > hears.txt; exit 0' INT; read -r _ <'" + str(go) + "'"
    ignores = f"trap '' INT; read -r _ <'{deaf}'; echo x > ignores.txt"
    plan = plan_of(task("hears", hears, ["hears.txt"]), task("ignores", ignores, ["ignores.txt"]))
    wave = fleet.start("wave", fleet.plan(plan), "--yes")
    until(lambda: ("ignores", "needs-person") in stalls(fleet))
    deaf.write_text("go\n")
    fleet.finish(wave).ok()
    found = stalls(fleet)
    assert [status for name, status in found if name == "ignores"] == ["silent", "interrupted", "needs-person"]
    assert [status for name, status in found if name == "hears"] == ["silent", "interrupted"]
    assert (repo / "hears.txt").read_text() == "interrupted\n"


def test_restart_ends_a_silent_agent_as_stalled_and_starts_it_again(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(timeouts={"stall": STALL}, stall="restart", retry={"initial_backoff_seconds": 1}))
    first = fleet.root / "first"
    script = f"if [ -e '{first}' ]; then echo x > one.txt; else touch '{first}'; exec sleep 1000; fi"
    fleet.run("wave", fleet.plan(plan_of(task("one", script, ["one.txt"]))), "--yes").ok()
    assert states(fleet, repo) == {"one": "landed"}
    attempts = state_runs(fleet, repo)["one"].attempts
    assert (attempts[0].exit.reason if attempts[0].exit else "", attempts[0].outcome) == ("stalled", "stalled")
    assert [status for _, status in stalls(fleet)] == ["silent", "stalled"]


@pytest.mark.slow
def test_a_warden_that_somebody_stopped_is_let_go_on_by_whoever_continues(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(timeouts={"stall": 300}))
    go = pipe(fleet, "go")
    wave = fleet.start("wave", fleet.plan(plan_of(idle("one", go))), "--yes")
    until(lambda: live(fleet).get("one", {}).get("activity") == "working")
    warden = warden_of(fleet, repo)
    os.kill(warden, signal.SIGSTOP)
    wave.kill()
    fleet.finish(wave)
    row = until(lambda: live(fleet)["one"]["activity"] == "stuck" and live(fleet)["one"], 60)
    assert (row["needs_person"], row["note"]) == (True, "its warden does not move")
    again = fleet.start("continue")
    until(lambda: ("one", "revived") in stalls(fleet))
    until(lambda: live(fleet)["one"]["activity"] == "working")
    go.write_text("go\n")
    fleet.finish(again).ok()
    assert states(fleet, repo) == {"one": "landed"}
