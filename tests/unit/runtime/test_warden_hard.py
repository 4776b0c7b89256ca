"""Wardens and trees that somebody stops, floods, or leaves without a disk: each comes to its end all the same."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from gitfleet.runtime import attempt
from gitfleet.runtime.hosts.base import Handle
from gitfleet.runtime.hosts.local import LocalHost
from gitfleet.runtime.supervisor import Supervisor, Vitality
from gitfleet.runtime.warden.owner import Warden
from tests.support import agents
from tests.unit.runtime.test_warden_ladder import WAYS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitfleet.runtime.supervisor import Judgement
    from tests.support.agents import Stage

NASTY = """
ignore("INT", "TERM")
for number, path in enumerate(sys.argv[2:]):
    if number == 0:
        if os.fork() == 0:
            os.setsid()  # holds standard output open
            tell(path)
            rest()
    elif detach():
        if number == 1:
            again("ignore('INT', 'TERM'); tell(sys.argv[1]); rest()", path, environment={"PATH": os.environ["PATH"]})
        tell(path)
        if number == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        rest()
tell(sys.argv[1])
rest()
"""


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)


def warden(handle: Handle) -> int:
    return int(json.loads((handle.directory / attempt.WARDEN).read_text())["pid"])


def look(stage: Stage, handle: Handle) -> Judgement | None:
    return Supervisor().look(handle.directory, held=stage.host.status(handle).alive)


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "warden-killed"])
@pytest.mark.parametrize("way", WAYS)
def test_a_nasty_tree_is_gone_within_the_ladders_time(stage: Stage, way: dict[str, object], *, killed: bool) -> None:
    """Deaf, in sessions of their own, with standard output open, a cleared environment, and stopped."""
    fifos = [stage.fifo() for _ in range(5)]
    handle = stage.start(*agents.python(NASTY, *fifos), **way)
    pids = [agents.hear(fifo) for fifo in (*fifos[1:], fifos[0])]
    begin = time.monotonic()
    if killed:
        os.kill(warden(handle), signal.SIGKILL)
    else:
        stage.host.stop(handle)
    ended = stage.host.wait(handle)
    assert time.monotonic() - begin < 0.2 + 0.2 + 5
    assert ended.reason == ("lost" if killed else "stopped")
    assert ended.remaining == ()
    assert not any(agents.running(pid) for pid in pids)


def test_a_stopped_agent_is_silent_and_said_to_be_stopped(stage: Stage) -> None:
    ready = stage.fifo()
    handle = stage.start(*agents.hangs(ready), stall_seconds=0.6)
    agent = agents.hear(ready)
    os.kill(agent, signal.SIGSTOP)

    def silent() -> bool:
        found = look(stage, handle)
        return found is not None and found.vitality is Vitality.SILENT and found.stopped

    until(silent)
    stage.host.interrupt(handle)  # it goes on, hears the interrupt and ends by it
    ended = stage.host.wait(handle)
    assert (ended.reason, ended.signal) == ("exited", signal.SIGINT)


def test_a_tree_that_works_without_output_is_quiet(stage: Stage) -> None:
    ready = stage.fifo()
    script = "tell(sys.argv[1])\nif os.fork() == 0:\n    while True: sum(range(10000))\nrest()"
    handle = stage.start(*agents.python(script, ready), stall_seconds=0.9)
    agents.hear(ready)

    def quiet_by_cpu() -> bool:
        found = look(stage, handle)
        return found is not None and found.vitality is Vitality.QUIET and found.output > 0.9 and found.sign == "CPU"

    until(quiet_by_cpu)
    stage.host.stop(handle, reason=attempt.STALLED)
    assert stage.host.wait(handle).reason == "stalled"


def test_a_stopped_warden_hears_a_stop(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()))
    agents.hear(ready)
    os.kill(warden(handle), signal.SIGSTOP)
    stage.host.stop(handle)
    assert stage.host.wait(handle).reason == "stopped"


def test_a_stopped_warden_is_let_go_on_if_it_is_the_very_one(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()))
    agents.hear(ready)
    assert not stage.host.revive(handle)
    os.kill(warden(handle), signal.SIGSTOP)
    facts = json.loads((handle.directory / attempt.WARDEN).read_text())
    attempt.write_json(str(handle.directory), attempt.WARDEN, facts | {"start": facts["start"] + 1})
    assert not stage.host.revive(handle)
    attempt.write_json(str(handle.directory), attempt.WARDEN, facts)
    until(lambda: stage.host.revive(handle))
    stage.host.stop(handle)
    assert stage.host.wait(handle).reason == "stopped"


@pytest.mark.parametrize("way", WAYS)
def test_an_abandoned_warden_leaves_a_lost_attempt_and_nothing_else(stage: Stage, way: dict[str, object]) -> None:
    ready, child = stage.fifo(), stage.fifo()
    handle = stage.start(*agents.stubborn(ready, child), **way)
    pids = [agents.hear(fifo) for fifo in (child, ready)]
    os.kill(warden(handle), signal.SIGSTOP)
    assert stage.host.abandon(handle)
    assert stage.host.wait(handle).reason == "lost"
    assert not any(agents.running(pid) for pid in pids)


def test_a_moved_deadline_holds_without_a_coordinator_and_through_a_stopped_warden(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()), deadline_seconds=1000)
    agents.hear(ready)
    os.kill(warden(handle), signal.SIGSTOP)
    stage.host.move_deadline(handle, 0.1)
    assert stage.host.wait_for(handle, 0.3) is None
    until(lambda: stage.host.revive(handle))
    assert stage.host.wait(handle).reason == "deadline"


class FullDisk:
    """Refuses so many writes of the end."""

    def __init__(self, times: int) -> None:
        self.left = times
        self._write = attempt.write_end

    def __call__(self, directory: str, data: dict[str, object]) -> bool:
        if self.left:
            self.left -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(directory, data)


@pytest.fixture
def insisting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Warden:
    """A warden that has nothing left to do but to write the end."""
    directory = stage.root / "full"
    directory.mkdir()
    made = Warden.__new__(Warden)
    made._directory = str(directory)
    monkeypatch.setattr(made, "_pump", lambda _: None, raising=False)
    return made


def test_the_end_is_written_once_there_is_space_again(insisting: Warden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "write_end", disk := FullDisk(3))
    insisting._insist({"reason": "exited"})
    assert disk.left == 0
    assert attempt.read_json(insisting._directory, attempt.EXIT) == {"reason": "exited"}


def test_a_disk_that_stays_full_does_not_hold_an_attempt_for_ever(
    insisting: Warden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "write_end", FullDisk(10**9))
    monkeypatch.setattr("gitfleet.runtime.warden.owner._GIVE_UP", 0.0)
    with pytest.raises(OSError, match="No space"):
        insisting._insist({"reason": "exited"})


def test_an_end_that_was_cut_short_is_none_and_the_next_try_takes_its_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    directory = str(tmp_path)
    attempt.reserve_end(directory)
    (reserved,) = tmp_path.iterdir()
    before = reserved.stat()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="No space"):
            attempt.write_end(directory, {"reason": "stopped", "message": "x" * 99})
    assert [path.stat().st_ino for path in tmp_path.iterdir()] == [before.st_ino]
    assert attempt.write_end(directory, {"reason": "exited"})
    assert [(path.name, path.stat().st_ino) for path in tmp_path.iterdir()] == [(attempt.EXIT, before.st_ino)]
    assert attempt.read_json(directory, attempt.EXIT) == {"reason": "exited"}


def test_an_end_is_written_once(tmp_path: Path) -> None:
    directory = str(tmp_path)
    assert attempt.write_end(directory, {"reason": "exited"})
    attempt.reserve_end(directory)
    assert not attempt.write_end(directory, {"reason": "lost"})
    assert attempt.read_json(directory, attempt.EXIT) == {"reason": "exited"}
    assert [path.name for path in tmp_path.iterdir()] == [attempt.EXIT]


@pytest.mark.parametrize("name", [attempt.EXIT, attempt.PULSE, attempt.WARDEN, attempt.LOG, attempt.DEADLINE])
def test_a_pipe_in_place_of_a_file_of_an_attempt_holds_nobody_up(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    host, handle = LocalHost(), Handle("fleet-x-w1-a1", 1, tmp_path)
    assert attempt.read_json(str(tmp_path), name) is None
    if name == attempt.EXIT:
        with pytest.raises(OSError, match="not a regular file"):
            host.status(handle)
    else:
        assert host.status(handle).exit is None
    assert host.log(handle, 0, 10).data == b""


BOMB = """
ignore("INT", "TERM")
tell(sys.argv[1])
end = time.monotonic() + 60
while time.monotonic() < end:
    if os.fork() == 0:
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            if os.fork() == 0:
                os._exit(0)
        os._exit(0)
    time.sleep(0.01)
"""

RUNS_AWAY = """
ignore("INT", "TERM")
if os.fork():
    rest()
tell(sys.argv[1])
end = time.monotonic() + 60
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
"""


@pytest.mark.slow
@pytest.mark.share(4)
@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "warden-killed"])
@pytest.mark.parametrize("script", [BOMB, RUNS_AWAY], ids=["bomb", "runs-away"])
@pytest.mark.parametrize("way", WAYS)
def test_what_forks_all_the_time_is_bounded_by_the_ladder(
    stage: Stage, way: dict[str, object], script: str, *, killed: bool
) -> None:
    handle = stage.start(*agents.python(script, ready := stage.fifo()), **way)
    agents.hear(ready)
    if killed:
        os.kill(warden(handle), signal.SIGKILL)
    else:
        stage.host.stop(handle)
    assert stage.host.wait(handle).remaining == ()
    assert stage.left() == []


@pytest.mark.slow
def test_a_flood_of_gigabytes_keeps_the_log_bounded(stage: Stage) -> None:
    size = 2 << 30
    command = f"head -c {size} /dev/zero"
    handle = stage.start("sh", "-c", command, log_limit=1 << 20)
    assert stage.host.wait(handle).code == 0
    assert (handle.directory / attempt.LOG).stat().st_size <= 1 << 20
    status = stage.host.status(handle)
    assert status.pulse is not None
    assert status.pulse.size == size
