"""Scopes that somebody else holds: waited for with the holder named, moved behind, or given to a person to decide."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from gitfleet.app.sessions import wave as app_wave
from gitfleet.app.sessions.composition import build
from gitfleet.app.sessions.request import WaveRequest
from gitfleet.app.sessions.wave import prepare, run
from gitfleet.app.workspace import open_workspace
from gitfleet.cli.live import Silent
from gitfleet.coordinator.observer import Interrupts
from tests.support.fleet import write
from tests.support.sessions import assert_nothing_remains, plan_of, state_runs, states, task

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.fleet import FleetEnv

CLAIM = ".planning/coordination/claims/other.json"


def claimed(repo: Path, *scope: str) -> None:
    write(repo, {CLAIM: json.dumps({"instanceId": "them-1", "scope": scope})})


def released(repo: Path) -> None:
    (repo / CLAIM).unlink()
    os.removedirs((repo / CLAIM).parent)


def test_what_is_held_moves_behind_its_wave(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    claimed(repo, "one.txt")
    plan = plan_of(task("one", "echo x > one.txt", ["one.txt"]), task("free", "echo x > free.txt", ["free.txt"]))
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    assert session.stdout is not None
    assert any("one.txt is held by them-1" in line for line in iter(session.stdout.readline, ""))
    assert any("landed free" in line for line in iter(session.stdout.readline, ""))
    released(repo)
    fleet.finish(session).ok()
    assert states(fleet, repo) == {"one": "landed", "free": "landed"}
    assert state_runs(fleet, repo)["one"].wave == 2
    assert_nothing_remains(fleet, repo)


def test_a_claim_of_a_dead_session_is_waited_for_until_it_is_continued(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    first = plan_of(task("one", f"echo x > one.txt; {point.shell}", ["one.txt"]), name="first")
    dead = fleet.start("wave", fleet.plan(first), "--yes")
    point.wait()
    dead.kill()
    fleet.finish(dead)
    second = plan_of(task("two", "cat one.txt > two.txt; echo y >> one.txt", ["one.txt", "two.txt"]), name="second")
    waiting = fleet.start("wave", fleet.plan(second, "second.yaml"), "--yes")
    assert waiting.stdout is not None
    held = next(line for line in iter(waiting.stdout.readline, "") if "waits" in line)
    assert f"one.txt is held by {state_runs(fleet, repo)['one'].instance} of first-" in held
    point.release()
    name = state_runs(fleet, repo)["one"].session

    fleet.run("continue", name).ok()
    fleet.finish(waiting).ok()

    assert states(fleet, repo) == {"one": "landed", "two": "landed"}
    assert (repo / "one.txt").read_text() == "x\ny\n"
    assert_nothing_remains(fleet, repo)


def test_after_the_limit_a_person_is_asked(fleet: FleetEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = fleet.repo()
    claimed(repo, "one.txt")
    plan = plan_of(task("one", "echo x > one.txt", ["one.txt"])).encode()
    monkeypatch.setattr(app_wave, "build", lambda *args, **more: replace(build(*args, **more), claim_patience=0.0))
    preparation = prepare(open_workspace(repo), WaveRequest(plan, "plan.yaml"))

    outcome = run(preparation, Silent(), Interrupts())

    assert outcome.exit_code == 3
    assert "one.txt is held by them-1" in outcome.session.reason
    released(repo)
    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed"}
    assert_nothing_remains(fleet, repo)
