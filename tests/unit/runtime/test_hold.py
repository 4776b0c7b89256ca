"""An attempt that is paused: really stopped, told as such, not charged with the time, and never left standing."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from gitfleet.runtime import attempt
from gitfleet.runtime.supervisor import Supervisor, Vitality, overdue
from tests.support import agents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitfleet.runtime.hosts.base import Handle
    from tests.support.agents import Stage

SECONDS = 20.0


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def stopped(pids: Iterable[int]) -> bool:
    return all(psutil.Process(pid).status() == psutil.STATUS_STOPPED for pid in pids)


def going(pids: Iterable[int]) -> bool:
    return all(psutil.Process(pid).status() != psutil.STATUS_STOPPED for pid in pids)


def vitality(handle: Handle) -> tuple[Vitality, str]:
    # A warden that follows its tree by ps counts boots by ps as well.
    supervisor = Supervisor(files=False)
    supervisor._boot = attempt.read_json(str(handle.directory), attempt.WARDEN)["boot"]  # type: ignore[index]
    found = supervisor.look(handle.directory, held=True)
    assert found is not None
    return found.vitality, found.note


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["proc", "ps"])
def test_every_process_stands_and_goes_on_and_nobody_calls_it_silent(stage: Stage, processes: str) -> None:
    ready, child = stage.fifo(), stage.fifo()
    table = None if processes == "proc" else "ps"
    line = agents.stubborn(ready, child)
    handle = stage.start(*line, processes=table, stall_seconds=0.5)
    pids = [int(child.read_text()), int(ready.read_text())]
    assert stage.host.pause(handle, 60, "predicted conflict with api in a.txt")
    until(lambda: stopped(pids))
    until(lambda: vitality(handle) == (Vitality.PAUSED, "paused: predicted conflict with api in a.txt"))
    # Longer than the stall period, which has nothing to say of it.
    since = time.monotonic()
    until(lambda: time.monotonic() - since > 1.0)
    assert vitality(handle)[0] is Vitality.PAUSED
    assert stage.host.proceed(handle)
    seen = set()
    while attempt.PAUSED in {path.name for path in handle.directory.iterdir()}:
        seen.add(vitality(handle)[0])
    assert Vitality.SILENT not in seen
    assert vitality(handle)[0] is not Vitality.SILENT
    until(lambda: going(pids))
    assert not stage.host.proceed(handle)
    stage.host.stop(handle)
    assert stage.host.wait(handle).reason == "stopped"


@pytest.mark.slow
def test_the_time_it_stood_is_not_charged(stage: Stage) -> None:
    ready = stage.fifo()
    handle = stage.start(*agents.hangs(ready), deadline_seconds=1.5, stall_seconds=60)
    pid = int(ready.read_text())
    stage.host.pause(handle, 60, "why")
    until(lambda: stopped([pid]))
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2.0)
    assert stage.host.status(handle).alive
    stage.host.proceed(handle)
    until((handle.directory / attempt.STOOD).exists)
    late = overdue(handle.directory, time.monotonic())
    assert late is not None
    assert late < 0.5
    ended = stage.host.wait(handle)
    assert ended.reason == "deadline"
    assert ended.seconds is not None
    assert ended.seconds > 3.0


def test_a_pause_that_nobody_asks_for_again_is_over(stage: Stage) -> None:
    ready = stage.fifo()
    handle = stage.start(*agents.hangs(ready))
    pid = int(ready.read_text())
    stage.host.pause(handle, 1.0, "why")
    until(lambda: stopped([pid]))
    until(lambda: going([pid]))
    assert (handle.directory / attempt.HOLD).exists()
    stage.host.stop(handle)
    stage.host.wait(handle)


def test_an_interrupt_ends_a_pause_and_it_cannot_be_renewed(stage: Stage) -> None:
    ready = stage.fifo()
    handle = stage.start(*agents.hangs(ready))
    pid = int(ready.read_text())
    stage.host.pause(handle, 60, "why")
    until(lambda: stopped([pid]))
    assert stage.host.pause(handle, 60, "why", again=True)
    assert stage.host.interrupt(handle)
    ended = stage.host.wait(handle)
    assert (ended.reason, ended.signal) == ("exited", signal.SIGINT)
    assert not stage.host.pause(handle, 60, "why", again=True)


def test_a_paused_agent_is_stopped_at_once_even_a_stubborn_one(stage: Stage) -> None:
    ready, child = stage.fifo(), stage.fifo()
    handle = stage.start(*agents.stubborn(ready, child))
    pids = [int(child.read_text()), int(ready.read_text())]
    stage.host.pause(handle, 60, "why")
    until(lambda: stopped(pids))
    stage.host.stop(handle)
    ended = stage.host.wait(handle)
    assert (ended.reason, ended.remaining) == ("stopped", ())


def test_a_paused_agent_whose_warden_was_killed_is_cleared_up(stage: Stage) -> None:
    ready, child = stage.fifo(), stage.fifo()
    handle = stage.start(*agents.stubborn(ready, child))
    pids = [int(child.read_text()), int(ready.read_text())]
    stage.host.pause(handle, 60, "why")
    until(lambda: stopped(pids))
    assert stage.host.abandon(handle)
    assert stage.host.wait(handle).reason == "lost"
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)
