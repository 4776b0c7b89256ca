"""A session in a real terminal: Ctrl-C, Ctrl-Z, a closed window, a closed pipe; and the terminal afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.test_control_running import assert_nothing_held, once, session_state, writes
from tests.support.sessions import assert_nothing_remains, config_of, plan_of, session_ids, state_runs, states
from tests.support.terminal import CONTINUE, STOPPED, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.fleet import FleetEnv, SyncPoint

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("an attempt that was stopped keeps its tree")]


@contextmanager
def in_terminal(fleet: FleetEnv, *args: str | Path) -> Iterator[Terminal]:
    terminal = Terminal([str(word) for word in fleet.argv(*args)], fleet.root / "repo", fleet.environ)
    try:
        yield terminal
    finally:
        terminal.close()


def one_that_waits(fleet: FleetEnv) -> tuple[Path, Path, SyncPoint]:
    repo = fleet.repo()
    point = fleet.point("here")
    return repo, fleet.plan(plan_of(writes("one", once(fleet, point)), writes("two", "true", "one"))), point


def assert_usable(terminal: Terminal) -> None:
    assert terminal.cursor_is_visible
    assert terminal.echoes
    assert not terminal.on_alternate_screen


def test_ctrl_c_saves_and_leaves_the_terminal_usable(fleet: FleetEnv) -> None:
    repo, plan, point = one_that_waits(fleet)
    with in_terminal(fleet, "wave", plan, "--yes") as terminal:
        point.wait()
        terminal.until(b"running")
        assert not terminal.cursor_is_visible
        terminal.press("\x03")
        assert terminal.wait() == 130
        assert b"stopping agents" in terminal.shown
        assert_usable(terminal)
    assert session_state(fleet) == "needs-continue"
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}
    assert_nothing_held(fleet, repo)


def test_ctrl_c_twice_leaves_at_once_and_leaves_the_terminal_usable(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    stubborn = writes("one", f"trap '' INT TERM; {once(fleet, point)}")
    with in_terminal(fleet, "wave", fleet.plan(plan_of(stubborn)), "--yes") as terminal:
        point.wait()
        terminal.until(b"running")
        terminal.press("\x03")
        terminal.until(b"stopping agents")
        terminal.press("\x03")
        assert terminal.wait() == 130
        assert_usable(terminal)
    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed"}


def test_a_closed_terminal_is_a_save(fleet: FleetEnv) -> None:
    repo, plan, point = one_that_waits(fleet)
    with in_terminal(fleet, "wave", plan, "--yes") as terminal:
        point.wait()
        terminal.until(b"running")
        terminal.close_window()
        assert terminal.wait() == 130
    (session,) = fleet.run("status", "--json").ok().json["sessions"]
    assert (session["state"], session["reason"]) == ("needs-continue", "its terminal was closed")
    assert states(fleet, repo) == {"one": "queued", "two": "queued"}
    assert fleet.git("show", f"refs/gitfleet/wip/{state_runs(fleet, repo)['one'].instance}/1:one.txt") == "one"
    assert_nothing_held(fleet, repo)
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}


def test_a_closed_terminal_under_nohup_is_none(fleet: FleetEnv) -> None:
    repo, plan, point = one_that_waits(fleet)
    ignoring = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]
    terminal = Terminal([*ignoring, *map(str, fleet.argv("wave", plan, "--yes"))], repo, fleet.environ)
    try:
        point.wait()
        terminal.until(b"running")
        terminal.close_window()
        point.release()
        # Every write fails from here on; the session goes on and lands.
        assert terminal.wait() == 0
    finally:
        terminal.close()
    assert set(states(fleet, repo).values()) == {"landed"}
    assert_nothing_remains(fleet, repo)


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(fleet: FleetEnv) -> None:
    repo, plan, point = one_that_waits(fleet)
    with in_terminal(fleet, "wave", plan, "--yes") as terminal:
        point.wait()
        terminal.until(b"running")
        terminal.press("\x1a")
        stopped = terminal.until(STOPPED)
        assert terminal.cursor_is_visible
        # The agent does not depend on its coordinator.
        point.release()
        terminal.press(CONTINUE + "\n")
        terminal.until(b"landed one", after=stopped)
        assert terminal.wait() == 0
        assert_usable(terminal)
    assert set(states(fleet, repo).values()) == {"landed"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_watched_status_leaves_the_alternate_screen(number: int, fleet: FleetEnv) -> None:
    fleet.repo()
    with in_terminal(fleet, "status", "--watch") as terminal:
        terminal.until(b"Nothing needs you")
        assert terminal.on_alternate_screen
        terminal.press("\x1a")
        stopped = terminal.until(STOPPED)
        assert_usable(terminal)
        terminal.press(CONTINUE + "\n")
        terminal.until(b"Nothing needs you", after=stopped)
        assert terminal.on_alternate_screen
        terminal.signal(number)
        assert terminal.wait() == 0
        assert_usable(terminal)


def test_ctrl_c_at_the_question_starts_nothing(fleet: FleetEnv) -> None:
    repo, plan, _ = one_that_waits(fleet)
    with in_terminal(fleet, "wave", plan) as terminal:
        terminal.until(b"[y/N]")
        terminal.press("\x03")
        # One that comes between the question and the reading of the answer is not seen by the interpreter's `input`.
        assert terminal.wait(pressing="\x03") == 130
        assert_usable(terminal)
    assert session_ids(fleet, repo) == []


def test_a_reader_that_goes_away_changes_nothing(fleet: FleetEnv) -> None:
    repo, plan, point = one_that_waits(fleet)
    session = subprocess.Popen(
        [str(word) for word in fleet.argv("wave", plan, "--yes")],
        cwd=repo,
        env=fleet.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    point.wait()
    assert session.stdout is not None
    assert session.stderr is not None
    session.stdout.close()
    point.release()
    assert session.wait(60) == 0, session.stderr.read()
    assert session.stderr.read() == b""
    session.stderr.close()
    assert set(states(fleet, repo).values()) == {"landed"}
    assert_nothing_remains(fleet, repo)


@pytest.mark.parametrize("stage", ["running", "verifying"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_termination_and_a_hang_up_are_saves(number: signal.Signals, stage: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("here")
    stop = once(fleet, point)
    fleet.config(repo, config_of([stop if stage == "verifying" else "true"]))
    plan = fleet.plan(plan_of(writes("one", stop if stage == "running" else "true")))
    session = fleet.start("wave", plan, "--yes")
    point.wait()
    os.kill(session.pid, number)
    fleet.finish(session).ok(130)
    assert session_state(fleet) == "needs-continue"
    assert states(fleet, repo) == {"one": "queued" if stage == "running" else "gated"}
    fleet.run("continue").ok()
    assert states(fleet, repo) == {"one": "landed"}
    assert_nothing_held(fleet, repo)


def test_a_continue_is_interrupted_like_a_wave(fleet: FleetEnv) -> None:
    repo, plan, point = one_that_waits(fleet)
    session = fleet.start("wave", plan, "--yes")
    point.wait()
    session.kill()
    fleet.finish(session).ok(-9)
    # The orphan is adopted and stopped; the next `continue` starts it again.
    again = fleet.start("continue")
    assert again.stdout is not None
    assert any("continued" in line for line in again.stdout)
    again.send_signal(signal.SIGINT)
    fleet.finish(again).ok(130)
    assert states(fleet, repo) == {"one": "queued", "two": "queued"}
    fleet.run("continue").ok()
    assert set(states(fleet, repo).values()) == {"landed"}
    assert_nothing_held(fleet, repo)
