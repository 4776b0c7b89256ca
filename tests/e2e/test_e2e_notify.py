"""Telling a person who looks elsewhere: what is run, with which words, and that it never changes a session."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.cli.live import attention
from gitfleet.runtime.notify import Commands
from tests.support.sessions import config_of, plan_of, session_ids, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

WORDS = 'echo "$GITFLEET_EVENT $GITFLEET_EXIT $GITFLEET_SESSION|$GITFLEET_MESSAGE" >> "$TOLD"'

pytestmark = pytest.mark.slow


def told(fleet: FleetEnv) -> list[str]:
    path = fleet.root / "told"
    return path.read_text().splitlines() if path.exists() else []


def session(fleet: FleetEnv, command: str, code: int, checks: tuple[str, ...] = (), **notify: Any) -> str:  # noqa: ANN401
    repo = fleet.repo()
    fleet.variables["TOLD"] = str(fleet.root / "told")
    fleet.config(repo, config_of(checks, notify=notify))
    fleet.run("wave", fleet.plan(plan_of(task("one", command, ["one.txt"]))), "--yes").ok(code)
    (name,) = session_ids(fleet, repo)
    return name


def test_config_notify_commands_are_told_at_the_end_and_shown_before(fleet: FleetEnv) -> None:
    name = session(fleet, "echo x > one.txt", 0, commands=[WORDS, "exit 3"])
    assert told(fleet) == [f"end 0 {name}|gitfleet: {name}: completed, 1 of 1 landed"]
    events = fleet.run("events", "--json").json["events"]
    assert [event["message"] for event in events if event.get("status") == "not-notified"] == [
        "a command of notify.commands failed: exit 3: exit code 3"
    ]
    shown = fleet.run("plan", fleet.plan(plan_of(task("one", "true", ["one.txt"])), "again.yaml")).ok().out
    assert WORDS in shown


@pytest.mark.leaves_worktrees("a run that did not land keeps its tree")
def test_config_notify_on_chooses_what_is_told(fleet: FleetEnv) -> None:
    name = session(fleet, "exit 9", 1, commands=[WORDS], on=["failed"])
    (line,) = told(fleet)
    assert line.startswith(f"failed 1 {name}|gitfleet: {name}: one failed: ")


@pytest.mark.leaves_worktrees("a run that did not land keeps its tree")
def test_a_session_that_waits_tells_why(fleet: FleetEnv) -> None:
    name = session(fleet, "echo x > one.txt", 3, ("false",), commands=[WORDS])
    assert told(fleet) == [f"needs-person 3 {name}|gitfleet: {name}: main itself fails: false"]


@pytest.mark.parametrize("wanted", [True, False])
def test_config_notify_bell_and_osc9_reach_a_terminal_only(fleet: FleetEnv, *, wanted: bool) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(notify={"bell": wanted, "osc9": wanted}))
    plan = fleet.plan(plan_of(task("one", "echo x > one.txt", ["one.txt"])))
    near, far = pty.openpty()
    environment = {**fleet.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        fleet.argv("wave", plan, "--yes"), cwd=repo, env=environment, stdin=far, stdout=far, stderr=far
    )
    os.close(far)
    shown = b""
    with process, os.fdopen(near, "rb", buffering=0) as terminal:
        while True:
            try:
                data = terminal.read(65536)
            except OSError:
                break
            if not data:
                break
            shown += data
    assert process.returncode == 0
    (name,) = session_ids(fleet, repo)
    notice = f"\x07\x1b]9;gitfleet: {name}: completed, 1 of 1 landed\x07".encode()
    assert (notice in shown) is wanted
    assert wanted or b"\x07" not in shown

    piped = fleet.plan(plan_of(task("two", "echo x > two.txt", ["two.txt"])), "piped.yaml")
    assert "\x07" not in fleet.run("wave", piped, "--yes").ok().text
    documents = fleet.plan(plan_of(task("three", "echo x > three.txt", ["three.txt"])), "json.yaml")
    answer = fleet.run("wave", documents, "--yes", "--json").ok()
    assert "\x07" not in answer.text
    json.loads(answer.out)


def test_a_terminal_gets_what_it_understands() -> None:
    assert attention("x", {"TERM": "xterm"}, bell=True, desktop=True) == b"\x07\x1b]9;x\x07"
    assert attention("x", {"TERM": "xterm"}, bell=True, desktop=False) == b"\x07"
    assert attention("x", {"TERM": "linux"}, bell=True, desktop=True) == b"\x07"
    assert attention("x", {"TERM": "dumb"}, bell=False, desktop=True) == b""
    assert attention("x", {"TERM": "tmux", "TMUX": "/tmp/s,1,0"}, bell=False, desktop=True) == (
        b"\x1bPtmux;\x1b\x1b]9;x\x07\x1b\\"
    )


def test_a_command_that_hangs_is_ended_and_not_started_again(tmp_path: Path) -> None:
    hangs = f"echo x >> '{tmp_path}/hangs'; sleep 1000 & wait"
    after = f"echo $WHAT >> '{tmp_path}/after'"
    commands = Commands([hangs, after], tmp_path, os.environ, seconds=0.3)
    commands.tell({"WHAT": "first"})
    commands.tell({"WHAT": "second"})
    commands.finish()
    assert (tmp_path / "hangs").read_text() == "x\n"
    assert (tmp_path / "after").read_text() == "first\nsecond\n"
    assert commands.failures == [f"{hangs}: it did not end in time"]


def test_what_cannot_be_started_is_a_failure_of_its_own(tmp_path: Path) -> None:
    commands = Commands(["true", "a\0b"], tmp_path / "gone", os.environ)
    commands.tell({})
    commands.finish()
    assert len(commands.failures) == 2
