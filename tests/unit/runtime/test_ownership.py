"""Who has a file open, and who is ended for it, through both tables of processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gitfleet.runtime import ownership
from gitfleet.runtime.ownership import Clock, Freed, StillHeld
from gitfleet.runtime.tables import open_table
from gitfleet.store import locks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gitfleet.runtime.processes import Table

HOLD = """
import fcntl, sys
lock = open(sys.argv[1], "r+b")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(params=["proc", "ps"])
def table(request: pytest.FixtureRequest) -> Table:
    if request.param == "proc" and not os.path.exists("/proc/self/stat"):  # noqa: PTH110
        pytest.skip("there is no /proc here")
    if request.param == "ps" and shutil.which("lsof") is None:
        pytest.skip("there is no lsof here")
    return open_table(request.param)


@contextmanager
def holding(path: Path, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    path.touch()
    argv = [sys.executable, "-c", HOLD, str(path)]
    env = {**os.environ, **(environment or {})}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


class Hurried:
    """A clock on which a wait is over after some looks."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


def wait(path: Path, table: Table, family: Mapping[int, int], step: float = 2.0) -> Freed | StillHeld:
    clock = Clock(Hurried(step).monotonic, lambda _: time.sleep(0.01))
    return ownership.wait_until_free(path, lambda: locks.holder(path) is not None, table, clock, family=family)


def test_openers_are_those_that_have_it_open(tmp_path: Path, table: Table) -> None:
    path = tmp_path / "a b.lock"
    path.touch()
    assert ownership.openers(table, path) == []
    with path.open("rb"), holding(path) as other:
        assert [process.pid for process in ownership.openers(table, path)] == [other.pid]


def test_a_stopped_git_call_of_ours_is_woken_up_to_finish(tmp_path: Path, table: Table) -> None:
    path = tmp_path / "a.lock"
    with holding(path, {"GITFLEET_OPEN": "git"}) as call:
        call.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, call.pid, os.WSTOPPED)
        assert call.stdin is not None
        call.stdin.close()
        assert wait(path, table, {}, step=0.001) == Freed()
        assert call.wait(20) == 0


def test_what_does_not_finish_is_ended_when_it_is_ours(tmp_path: Path, table: Table) -> None:
    path = tmp_path / "a.lock"
    with holding(path, {"GITFLEET_OPEN": "git"}) as call:
        assert isinstance(outcome := wait(path, table, {}, step=0.5), Freed)
        assert f"({call.pid})" in "".join(outcome.ended)
        assert call.wait(20) == -signal.SIGKILL
    with holding(path) as child:
        family = ownership.descendants(table, os.getpid())
        assert child.pid in family
        assert isinstance(wait(path, table, family, step=0.5), Freed)
        assert child.wait(20) == -signal.SIGKILL


def test_anybody_else_is_named_and_left_alone(tmp_path: Path, table: Table) -> None:
    path = tmp_path / "a.lock"
    with holding(path, {"GITFLEET_OPEN": "1"}) as person:
        outcome = wait(path, table, {person.pid: 1})
        assert isinstance(outcome, StillHeld)
        assert [f"({person.pid})" in name for name in outcome.by] == [True]
        assert person.poll() is None
