"""Pause, resume, drain, stop, interrupt and restart, asked of a running coordinator from another terminal."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from gitfleet.app.steering.asking import ANSWER_SECONDS
from tests.support.sessions import (
    assert_nothing_remains,
    common_dir,
    config_of,
    held_locks,
    plan_of,
    session_ids,
    state_runs,
    states,
    task,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv, SyncPoint

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("an attempt that was stopped keeps its tree")]


def once(fleet: FleetEnv, point: SyncPoint) -> str:
    """Wait at the point the first time, and pass it ever after."""
    mark = fleet.root / f"{point.name}.passed"
    return f"if mkdir '{mark}' 2>/dev/null; then {point.shell}; fi"


def writes(name: str, then: str = "true", *after: str) -> dict[str, object]:
    return task(name, f"echo {name} > {name}.txt; {then}", [f"{name}.txt"], *after)


def session_state(fleet: FleetEnv) -> str:
    (session,) = fleet.run("status", "--json").ok().json["sessions"]
    return str(session["state"])


def events(fleet: FleetEnv, repo: Path) -> list[Any]:
    (journal,) = (common_dir(fleet, repo) / "gitfleet/journal").glob("*.jsonl")
    return [json.loads(line) for line in journal.read_text().splitlines()]


def test_a_pause_starts_nothing_new_and_lands_what_runs(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    session = fleet.start(
        "wave", fleet.plan(plan_of(writes("one", point.shell), writes("two", "true", "one"))), "--yes"
    )
    point.wait()

    answer = fleet.run("pause", "--json").ok().json
    assert answer["action"] == "pause"
    (row,) = answer["sessions"]
    assert (row["state"], row["coordinator"]) == ("paused", True)
    assert row["session"] == session_ids(fleet, repo)[0]
    assert "1 agent at work" in row["message"]
    assert all(answer[what] for what in ("processes", "claims", "worktrees"))
    assert (answer["schema"], answer["failed"]) == ("gitfleet/report/control/v1", [])
    assert "paused" in fleet.run("status").ok().out
    assert "is paused" in fleet.run("pause").ok().out

    point.release()
    assert session.stdout is not None
    assert any("landed one" in line for line in session.stdout)
    # The boundary came, the second wave did not: the coordinator waits.
    assert states(fleet, repo) == {"one": "landed", "two": "queued"}
    assert session_state(fleet) == "paused"
    assert session.poll() is None

    assert "is active" in fleet.run("resume").ok().out
    fleet.finish(session).ok()
    assert states(fleet, repo) == {"one": "landed", "two": "landed"}
    assert_nothing_remains(fleet, repo)


def test_a_paused_wave_lands_without_what_did_not_start(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    plan = plan_of(writes("one", point.shell), writes("two"), writes("three", "true", "one"))
    session = fleet.start("wave", fleet.plan(plan), "--yes", "--rolling", "--max-agents", "1")
    point.wait()
    fleet.run("pause").ok()
    point.release()
    assert session.stdout is not None
    assert any("landed one" in line for line in session.stdout)
    assert states(fleet, repo) == {"one": "landed", "two": "queued", "three": "queued"}
    fleet.run("resume").ok()
    fleet.finish(session).ok()
    assert set(states(fleet, repo).values()) == {"landed"}


def test_a_drain_finishes_what_runs_and_ends_with_tasks_left(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    session = fleet.start(
        "wave", fleet.plan(plan_of(writes("one", point.shell), writes("two", "true", "one"))), "--yes"
    )
    point.wait()
    assert fleet.run("drain", "--json").ok().json["sessions"][0]["state"] == "draining"
    assert session_state(fleet) == "draining"
    point.release()
    ended = fleet.finish(session).ok(3)
    assert "it was drained, and 1 task did not run" in ended.out
    assert states(fleet, repo) == {"one": "landed", "two": "queued"}
    assert session_state(fleet) == "needs-continue"
    fleet.run("continue").ok()
    assert_nothing_remains(fleet, repo)


def test_a_drain_with_nothing_left_completes(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    session = fleet.start("wave", fleet.plan(plan_of(writes("one", point.shell))), "--yes")
    point.wait()
    fleet.run("drain").ok()
    point.release()
    fleet.finish(session).ok()
    assert session_state(fleet) == "completed"
    assert_nothing_remains(fleet, repo)


def test_a_resume_takes_a_drain_back(fleet: FleetEnv) -> None:
    point = fleet.point("here")
    fleet.repo()
    session = fleet.start(
        "wave", fleet.plan(plan_of(writes("one", point.shell), writes("two", "true", "one"))), "--yes"
    )
    point.wait()
    fleet.run("drain").ok()
    fleet.run("resume").ok()
    point.release()
    fleet.finish(session).ok()


def assert_nothing_held(fleet: FleetEnv, repo: Path) -> None:
    """No claim and no lock is left, and the store is undamaged; trees of attempts that were stopped may stand."""
    common = common_dir(fleet, repo)
    assert not list(common.glob("gitfleet/state/claims/*"))
    assert held_locks(common / "gitfleet") == []
    assert fleet.git("fsck", "--no-dangling", "--no-progress") == ""
    assert fleet.git("status", "--porcelain") == ""


ORDER = ["no-dispatch", "stopping", "none-left", "released", "needs-continue"]


def test_a_stop_keeps_its_order_and_ends_saved(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    one, two = fleet.point("one"), fleet.point("two")
    plan = plan_of(writes("one", once(fleet, one)), writes("two", once(fleet, two)), writes("three", "true", "one"))
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    one.wait()
    two.wait()

    answer = fleet.run("stop", "--json").ok().json

    (row,) = answer["sessions"]
    assert (row["state"], row["coordinator"], row["remaining"]) == ("needs-continue", False, [])
    ended = fleet.finish(session).ok(130)
    assert "it was stopped by `gitfleet stop`" in ended.out
    assert states(fleet, repo) == {"one": "queued", "two": "queued", "three": "queued"}
    assert not list(common_dir(fleet, repo).glob("gitfleet/state/claims/*"))
    told = events(fleet, repo)
    words = [event.get("status", "") for event in told]
    assert [word for word in words if word in ORDER] == ORDER
    # Kept after the last agent was gone, and before the first claim went.
    kept = [index for index, event in enumerate(told) if event["kind"] == "requeue"]
    assert words.index("none-left") < min(kept) < max(kept) < words.index("released")
    assert all("its work is kept" in told[index]["message"] for index in kept)
    for name in ("one", "two"):
        wip = f"refs/gitfleet/wip/{state_runs(fleet, repo)[name].instance}/1"
        assert fleet.git("show", f"{wip}:{name}.txt") == name
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}
    assert_nothing_held(fleet, repo)


@pytest.mark.slow
def test_stubborn_agents_are_stopped_all_at_once(fleet: FleetEnv) -> None:
    fleet.repo()
    points = [fleet.point(name) for name in ("one", "two", "three")]
    stubborn = [writes(point.name, f"trap '' INT TERM; {once(fleet, point)}") for point in points]
    session = fleet.start("wave", fleet.plan(plan_of(*stubborn)), "--yes")
    for point in points:
        point.wait()
    begun = time.monotonic()
    fleet.run("stop").ok()
    # A ladder climbs to KILL in 8 s; three, one after another, would take 24.
    assert time.monotonic() - begun < 16
    fleet.finish(session).ok(130)
    fleet.run("continue").ok()


def test_a_stop_during_a_check_saves(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    fleet.config(repo, config_of([once(fleet, point)]))
    session = fleet.start("wave", fleet.plan(plan_of(writes("one"))), "--yes")
    point.wait()
    # The train is under way: a pause and a stop are answered all the same.
    fleet.run("pause").ok()
    fleet.run("stop").ok()
    fleet.finish(session).ok(130)
    assert session_state(fleet) == "needs-continue"
    assert states(fleet, repo) == {"one": "gated"}
    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed"}
    assert_nothing_remains(fleet, repo)


def test_stop_all_stops_every_session(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    points = [fleet.point(name) for name in ("one", "two")]
    sessions = []
    for point in points:
        plan = fleet.plan(plan_of(writes(point.name, once(fleet, point)), name=point.name), f"{point.name}.yaml")
        sessions.append(fleet.start("wave", plan, "--yes"))
        point.wait()
    assert "2 sessions are open" in fleet.run("stop").ok(2).err
    answer = fleet.run("stop", "--all", "--json").ok().json
    assert sorted(row["session"] for row in answer["sessions"]) == session_ids(fleet, repo)
    for session in sessions:
        fleet.finish(session).ok(130)
    assert not list(common_dir(fleet, repo).glob("gitfleet/state/claims/*"))
    assert "no session is open" not in fleet.run("stop", "--all").ok().out
    for name in session_ids(fleet, repo):
        fleet.run("continue", name).ok()
    assert "no session is open" in fleet.run("stop", "--all").ok().out
    fleet.run("stop", "--all", session_ids(fleet, repo)[0]).ok(2)


def test_an_interrupt_reaches_one_agent_and_nothing_else(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point, other = fleet.point("here"), fleet.point("other")
    heard = f"trap 'echo heard >> one.txt; exit 0' INT; {point.shell}"
    session = fleet.start("wave", fleet.plan(plan_of(writes("one", heard), writes("two", other.shell))), "--yes")
    point.wait()
    other.wait()
    runs = state_runs(fleet, repo)
    answer = fleet.run("interrupt", runs["one"].instance, "--json").ok().json["sessions"][0]
    assert (answer["task"], answer["instance"]) == ("one", runs["one"].instance)
    assert session.stdout is not None
    assert any("one passed the gate" in line for line in session.stdout)
    refused = fleet.run("interrupt", "one", "--session", session_ids(fleet, repo)[0]).ok(2)
    assert "only an agent that runs" in refused.err
    other.release()
    fleet.finish(session).ok()
    assert (repo / "one.txt").read_text() == "one\nheard\n"
    assert len(state_runs(fleet, repo)["one"].attempts) == 1


def test_a_restart_of_a_running_agent_is_a_new_attempt(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    session = fleet.start(
        "wave", fleet.plan(plan_of(writes("one", f"date +%s%N >> one.txt; {once(fleet, point)}"))), "--yes"
    )
    point.wait()
    instance = state_runs(fleet, repo)["one"].instance
    assert "as attempt 2" in fleet.run("restart", instance).ok().out
    fleet.finish(session).ok()
    run = state_runs(fleet, repo)["one"]
    assert (run.state, run.instance) == ("landed", instance)
    assert [attempt.outcome for attempt in run.attempts] == ["restarted", "success"]
    kept = fleet.git("show", f"refs/gitfleet/wip/{instance}/1:one.txt")
    assert kept.startswith("one\n")
    assert kept != (repo / "one.txt").read_text()


def test_a_restart_of_a_failed_run_brings_back_what_was_skipped(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    fails_once = f"mkdir '{fleet.root}/failed' 2>/dev/null && exit 1; true"
    plan = plan_of(writes("bad", fails_once), writes("next", "true", "bad"), writes("slow", point.shell))
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    point.wait()
    assert session.stdout is not None
    assert any("next skipped" in line for line in session.stdout)
    assert "restart what it depends on" in fleet.run("restart", "next").ok(2).err
    fleet.run("restart", "bad").ok()
    point.release()
    fleet.finish(session).ok()
    assert states(fleet, repo) == {"bad": "landed", "next": "landed", "slow": "landed"}
    assert len(state_runs(fleet, repo)["bad"].attempts) == 2
    assert "is closed" in fleet.run("restart", "bad").ok(2).err
    assert_nothing_held(fleet, repo)


def test_a_restart_of_one_of_two_tasks_of_a_name(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    points = [fleet.point(name) for name in ("first", "second")]
    sessions = []
    for point in points:
        same = task("same", f"echo x > {point.name}.txt; {once(fleet, point)}", [f"{point.name}.txt"])
        sessions.append(fleet.start("wave", fleet.plan(plan_of(same, name=point.name), f"{point.name}.yaml"), "--yes"))
        point.wait()
    first = session_ids(fleet, repo)[0]
    assert "2 open sessions have a task same" in fleet.run("restart", "same").ok(2).err
    fleet.run("restart", "same", "--session", first).ok()
    fleet.finish(sessions[0]).ok()
    points[1].release()
    fleet.finish(sessions[1]).ok()
    told = fleet.run("inspect", "same", "--session", first, "--json").ok().json["run"]["attempts"]
    assert [attempt["outcome"] for attempt in told] == ["restarted", "success"]


def test_what_landed_or_is_on_record_is_not_restarted(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    plan = plan_of(writes("one"), writes("bad", "exit 1"), writes("slow", point.shell, "one"))
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    point.wait()
    assert "has landed" in fleet.run("restart", "one").ok(2).err
    assert "on main" in fleet.run("restart", "bad").ok(2).err
    assert "gitfleet add" in fleet.run("restart", "bad").ok(2).err
    point.release()
    fleet.finish(session).ok(1)
    assert states(fleet, repo) == {"one": "landed", "bad": "failed", "slow": "landed"}


@pytest.mark.slow
@pytest.mark.share(3)  # each waits for the ten seconds that are asked for an answer
@pytest.mark.parametrize("command", ["pause", "stop", "add"])
def test_a_coordinator_that_cannot_answer_is_named_and_not_waited_for(command: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    session = fleet.start("wave", fleet.plan(plan_of(writes("one", point.shell))), "--yes")
    point.wait()
    session.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    try:
        more: dict[str, list[str | Path]] = {
            "stop": ["--all"],
            "add": [fleet.plan(plan_of(writes("more")), "more.yaml")],
        }
        refused = fleet.run(command, *more.get(command, [])).ok(5)
        assert ANSWER_SECONDS <= time.monotonic() - begun < ANSWER_SECONDS + 5
        assert str(session.pid) in refused.text
        assert "is stopped" in refused.text
        assert "--take-over" in refused.text
    finally:
        session.send_signal(signal.SIGCONT)
    # What was asked for in vain does not happen afterwards.
    point.release()
    fleet.finish(session).ok()
    assert states(fleet, repo) == {"one": "landed"}


@pytest.mark.slow
def test_what_could_not_be_stopped_is_told_beside_what_was(fleet: FleetEnv) -> None:
    fleet.repo()
    points = [fleet.point(name) for name in ("one", "two")]
    sessions = []
    for point in points:
        plan = fleet.plan(plan_of(writes(point.name, once(fleet, point)), name=point.name), f"{point.name}.yaml")
        sessions.append(fleet.start("wave", plan, "--yes"))
        point.wait()
    sessions[0].send_signal(signal.SIGSTOP)
    try:
        answer = fleet.run("stop", "--all", "--json").ok(5).json
    finally:
        sessions[0].send_signal(signal.SIGCONT)
    assert [row["session"].partition("-")[0] for row in answer["sessions"]] == ["two"]
    (failed,) = answer["failed"]
    assert (failed["session"].partition("-")[0], failed["error"]["code"]) == ("one", "no-answer")
    points[0].release()
    fleet.finish(sessions[0]).ok()
    fleet.finish(sessions[1]).ok(130)


def test_leaving_at_once_after_a_stop_was_asked_for(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    session = fleet.start(
        "wave", fleet.plan(plan_of(writes("one", f"trap '' INT TERM; {once(fleet, point)}"))), "--yes"
    )
    point.wait()
    session.send_signal(signal.SIGTERM)
    assert session.stdout is not None
    assert any("stopping agents" in line for line in session.stdout)
    session.send_signal(signal.SIGTERM)
    fleet.finish(session).ok(130)
    # Nobody runs it any more; its agent does, and its ladder goes on. A stop ends what is left and saves.
    fleet.run("stop").ok()
    assert session_state(fleet) == "needs-continue"
    assert not [process for process in psutil.process_iter() if _in(process, repo)]
    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed"}


def _in(process: psutil.Process, repo: Path) -> bool:
    try:
        return os.path.realpath(process.cwd()).startswith(f"{repo.resolve()}.fleet/")
    except (psutil.Error, OSError):
        return False


def test_a_restart_of_what_waits_for_its_next_attempt_ends_the_wait(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(retry={"initial_backoff_seconds": 600, "max_backoff_seconds": 600}))
    fails_once = f"mkdir '{fleet.root}/failed' 2>/dev/null && kill -9 $$; true"
    session = fleet.start("wave", fleet.plan(plan_of(writes("one", fails_once))), "--yes")
    assert session.stdout is not None
    assert any("before attempt 2" in line for line in session.stdout)
    assert "waits no longer" in fleet.run("restart", "one").ok().out
    fleet.finish(session).ok()
    assert len(state_runs(fleet, repo)["one"].attempts) == 2
