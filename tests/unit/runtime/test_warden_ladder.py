"""Nothing of an attempt survives its end, whatever it does and whoever dies first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from gitfleet.runtime import attempt
from gitfleet.runtime.hosts.local import LocalHost
from tests.support import agents

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.runtime.hosts.base import Handle
    from tests.support.agents import Stage

WAYS = [
    pytest.param({}, id="native"),
    pytest.param({"subreaper": False}, id="orphans-escape"),
    pytest.param({"subreaper": False, "processes": "ps"}, id="ps"),
]


@pytest.mark.parametrize("way", WAYS)
def test_a_stubborn_tree_is_gone_within_the_ladders_time(stage: Stage, way: dict[str, object]) -> None:
    ready, one, two = stage.fifo(), stage.fifo(), stage.fifo()
    handle = stage.start(*agents.stubborn(ready, one, two), **way)
    pids = [agents.hear(fifo) for fifo in (one, two, ready)]
    assert len(stage.left()) == 3
    begin = time.monotonic()
    stage.host.stop(handle)
    ended = stage.host.wait(handle)
    assert time.monotonic() - begin < 5
    assert (ended.reason, ended.signal) == ("stopped", signal.SIGKILL)
    assert not any(agents.running(pid) for pid in pids)
    assert ended.remaining == ()


def test_an_agent_that_hears_int_gets_to_say_so(stage: Stage) -> None:
    ready = stage.fifo()
    script = (
        "signal.signal(signal.SIGINT, lambda *_: (print('saved', flush=True), os._exit(0))); tell(sys.argv[1]); rest()"
    )
    handle = stage.start(*agents.python(script, ready))
    agents.hear(ready)
    stage.host.stop(handle)
    ended = stage.host.wait(handle)
    assert (ended.reason, ended.code) == ("stopped", 0)
    assert stage.host.log(handle).data == b"saved\n"


def test_a_stop_that_comes_before_the_warden_is_up_is_heard(stage: Stage) -> None:
    for _ in range(5):
        handle = stage.start("sleep", "1000")
        stage.host.stop(handle)
        assert stage.host.wait(handle).reason == "stopped"


def test_what_is_stopped_before_it_starts_never_starts(stage: Stage) -> None:
    directory = stage.root / "attempts" / "early"
    directory.mkdir(parents=True)
    (directory / attempt.STOP).touch()
    ended, _ = stage.run("touch", "started", directory=directory)
    assert (ended.reason, ended.code, ended.signal) == ("stopped", None, None)
    assert not (stage.worktree / "started").exists()


def test_a_warden_with_a_defect_leaves_nothing(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()), ladder=(("NO-SUCH-SIGNAL", 1.0),))
    agent = agents.hear(ready)
    stage.host.stop(handle)
    assert stage.host.wait(handle).reason == "lost"
    assert not agents.running(agent)
    assert b"NO-SUCH-SIGNAL" in (handle.directory / attempt.TROUBLE).read_bytes()


def test_a_term_to_the_warden_is_a_stop_and_an_int_is_nothing(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()))
    agents.hear(ready)
    os.kill(_warden(handle), signal.SIGINT)
    os.kill(_warden(handle), signal.SIGHUP)
    assert stage.host.wait_for(handle, 0.1) is None
    os.kill(_warden(handle), signal.SIGTERM)
    assert stage.host.wait(handle).reason == "stopped"


@pytest.mark.parametrize("way", WAYS)
def test_what_an_agent_leaves_is_stopped_and_named(stage: Stage, way: dict[str, object]) -> None:
    go, one, two = stage.fifo(), stage.fifo(), stage.fifo()
    handle = stage.start(*agents.leaves_children(go, one, two), **way)
    pids = [agents.hear(one), agents.hear(two)]
    agents.tell(go)
    ended = stage.host.wait(handle)
    assert (ended.code, ended.reason) == (0, "exited")
    assert sorted(int(name.split("(")[1][:-1]) for name in ended.leftovers) == sorted(pids)
    assert not any(agents.running(pid) for pid in pids)
    assert stage.host.log(handle).data == b"done\n"


def test_output_that_is_held_open_does_not_hold_up_the_end(stage: Stage) -> None:
    go, ready = stage.fifo(), stage.fifo()
    handle = stage.start(*agents.holds_output(go, ready))
    child = agents.hear(ready)
    begin = time.monotonic()
    agents.tell(go)
    ended = stage.host.wait(handle)
    assert 1.9 <= time.monotonic() - begin < 10
    assert ended.code == 0
    assert ended.seconds is not None
    assert ended.seconds < 2  # the attempt ended with the agent itself
    assert stage.host.log(handle).data.startswith(b"done\n")
    assert not agents.running(child)
    assert len(ended.leftovers) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_warden_leaves_nothing(stage: Stage, way: dict[str, object]) -> None:
    ready, one = stage.fifo(), stage.fifo()
    handle = stage.start(*agents.stubborn(ready, one), **way)
    pids = [agents.hear(one), agents.hear(ready)]
    os.kill(_warden(handle), signal.SIGKILL)
    ended = stage.host.wait(handle)
    assert (ended.reason, ended.code, ended.signal) == ("lost", None, None)
    assert len(ended.leftovers) == 2
    assert not any(agents.running(pid) for pid in pids)
    assert json.loads((handle.directory / attempt.EXIT).read_bytes())["reason"] == "lost"


def test_a_coordinator_can_die_and_another_finds_the_end(stage: Stage) -> None:
    ready = stage.fifo()
    handle = _start_and_die(stage, agents.hangs(ready), "deadline_seconds=2.0")
    agent = agents.hear(ready)
    assert LocalHost().status(handle).alive
    ended = LocalHost().wait(handle)
    assert (ended.reason, ended.signal) == ("deadline", signal.SIGINT)
    assert not agents.running(agent)


def test_a_warden_killed_after_its_coordinator_is_settled_by_the_next(stage: Stage) -> None:
    ready, one = stage.fifo(), stage.fifo()
    handle = _start_and_die(stage, agents.stubborn(ready, one))
    pids = [agents.hear(one), agents.hear(ready)]
    assert LocalHost().declare_lost(handle) is None
    os.kill(_warden(handle), signal.SIGKILL)
    ended = LocalHost().wait(handle)
    assert ended.reason == "lost"
    assert not any(agents.running(pid) for pid in pids)


def test_the_deadline_ends_an_attempt(stage: Stage) -> None:
    begin = time.monotonic()
    ended, _ = stage.run("sleep", "1000", deadline_seconds=0.3)
    assert (ended.reason, ended.signal) == ("deadline", signal.SIGINT)
    assert 0.3 <= time.monotonic() - begin < 10


def test_the_deadline_can_be_moved(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()), deadline_seconds=0.6)
    stage.host.move_deadline(handle, 1000)
    agents.hear(ready)
    assert stage.host.wait_for(handle, 1.0) is None
    stage.host.move_deadline(handle, 0.1)
    assert stage.host.wait(handle).reason == "deadline"


def test_a_cleared_environment_is_found_by_descent(stage: Stage) -> None:
    go, ready = stage.fifo(), stage.fifo()
    handle = stage.start(*agents.python(_ESCAPE, go, ready, "/"))
    pid = agents.hear(ready)
    agents.tell(go)
    ended = stage.host.wait(handle)
    assert not agents.running(pid)
    assert len(ended.leftovers) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_cleared_environment_is_found_by_its_directory(stage: Stage, way: dict[str, object]) -> None:
    go, ready = stage.fifo(), stage.fifo()
    handle = stage.start(*agents.python(_ESCAPE, go, ready, stage.worktree), **way)
    pid = agents.hear(ready)
    agents.tell(go)
    ended = stage.host.wait(handle)
    assert not agents.running(pid)
    assert len(ended.leftovers) == 1


def test_a_persons_shell_in_the_worktree_is_named_and_left_alone(stage: Stage) -> None:
    older = subprocess.Popen(["sleep", "1000"], cwd=stage.worktree)
    handle = stage.start(*agents.hangs(ready := stage.fifo()))
    agents.hear(ready)
    shell = subprocess.Popen(["sleep", "1000"], cwd=stage.worktree, env={**os.environ, "GITFLEET_OPEN": "1"})
    ours = subprocess.Popen(["sleep", "1000"], cwd=stage.worktree, env={**os.environ, "GITFLEET_OPEN": "git"})
    stray = subprocess.Popen(["sleep", "1000"], cwd=stage.worktree)
    elsewhere = subprocess.Popen(["sleep", "1000"], cwd=stage.root)
    try:
        stage.host.stop(handle)
        ended = stage.host.wait(handle)
        assert [process.poll() for process in (older, shell, ours, elsewhere)] == [None] * 4
        assert stray.wait() == -signal.SIGINT
        assert sorted(ended.remaining) == sorted([f"sleep ({older.pid})", f"sleep ({shell.pid})"])
        assert "left alone" in ended.message
    finally:
        for process in (older, shell, ours, stray, elsewhere):
            process.kill()
            process.wait()


def test_where_people_work_the_directory_says_nothing(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()), sweep=False)
    agents.hear(ready)
    stray = subprocess.Popen(["sleep", "1000"], cwd=stage.worktree)
    try:
        stage.host.stop(handle)
        assert stage.host.wait(handle).remaining == ()
        assert stray.poll() is None
    finally:
        stray.kill()
        stray.wait()


def test_a_stopped_process_is_ended_too(stage: Stage) -> None:
    ready = stage.fifo()
    handle = stage.start(*agents.python("tell(sys.argv[1]); os.kill(os.getpid(), signal.SIGSTOP); rest()", ready))
    agents.hear(ready)
    stage.host.stop(handle)
    assert stage.host.wait(handle).signal == signal.SIGINT


def test_a_gitfleet_inside_an_attempt_goes_with_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITFLEET_NONCE", "outer")
    handle = stage.start(*agents.hangs(ready := stage.fifo()))
    agent = agents.hear(ready)
    assert agent in [process.pid for process in agents.carrying("outer")]
    assert agent in [process.pid for process in stage.left()]
    stage.host.stop(handle)
    assert stage.host.wait(handle).reason == "stopped"


_ESCAPE = """
if detach():
    again("tell(sys.argv[1]); rest()", sys.argv[2], environment={}, directory=sys.argv[3])
hear(sys.argv[1])
"""


def _warden(handle: Handle) -> int:
    return int(json.loads((handle.directory / attempt.WARDEN).read_bytes())["pid"])


def _start_and_die(stage: Stage, argv: tuple[str, ...], options: str = "") -> Handle:
    """Start an attempt from a process that kills itself at once."""
    directory = stage.root / "attempts" / "orphan"
    program = f"""
import os, signal
from pathlib import Path
from gitfleet.runtime.hosts.base import LaunchSpec
from gitfleet.runtime.hosts.local import LocalHost
ladder = (("INT", 0.2), ("TERM", 0.2), ("KILL", 5.0))
spec = LaunchSpec(instance="i", attempt=1, directory=Path({str(directory)!r}), argv={argv!r}, env={{}},
    cwd=Path({str(stage.worktree)!r}), ladder=ladder, leftover_ladder=ladder, {options})
LocalHost(nonce=lambda: {stage.nonce!r}).start(spec)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root: Path = stage.root
    done = subprocess.run([sys.executable, "-c", program], check=False, env={**os.environ, "PYTHONPATH": _source()})
    assert done.returncode == -signal.SIGKILL, root
    return LocalHost().adopt("i", 1, directory)


def _source() -> str:
    return str(next(path for path in map(os.path.dirname, [attempt.__file__])).rsplit("/gitfleet/", 1)[0])
