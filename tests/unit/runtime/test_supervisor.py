"""The supervisor reports every end once, stops everything in parallel, and runs checks."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from gitfleet.errors import GitfleetError, Kind
from gitfleet.runtime.hosts.local import LocalHost
from gitfleet.runtime.supervisor import Supervisor
from tests.support import agents

if TYPE_CHECKING:
    from tests.support.agents import Stage


def test_every_end_is_reported_once(stage: Stage) -> None:
    supervisor = Supervisor(stage.host)
    for code in range(5):
        supervisor.start(f"task-{code}", stage.spec("sh", "-c", f"exit {code}"))
    ended = {end.key: end.exit.code for end in (supervisor.ended.get(timeout=60) for _ in range(5))}
    assert ended == {f"task-{code}": code for code in range(5)}
    assert supervisor.ended.empty()


def test_everything_is_stopped_in_parallel_and_nothing_starts_afterwards(stage: Stage) -> None:
    supervisor = Supervisor(stage.host)
    for number in range(4):
        ready = stage.fifo()
        supervisor.start(str(number), stage.spec(*agents.stubborn(ready)))
        agents.hear(ready)
    begin = time.monotonic()
    assert supervisor.stop_all(60) == ()
    # Each ladder takes 0.4 s before KILL: one after the other they could not be done in this time.
    assert time.monotonic() - begin < 10
    assert {supervisor.ended.get(timeout=60).exit.reason for _ in range(4)} == {"stopped"}
    with pytest.raises(GitfleetError) as refused:
        supervisor.start("late", stage.spec("true"))
    assert refused.value.kind is Kind.INTERRUPTED


def test_what_does_not_end_in_time_is_named(stage: Stage) -> None:
    supervisor = Supervisor(stage.host)
    supervisor.start("slow", stage.spec(*agents.stubborn(ready := stage.fifo())))
    agents.hear(ready)
    assert supervisor.stop_all(0.0) == ("slow",)
    assert supervisor.ended.get(timeout=60).key == "slow"


def test_one_attempt_can_be_stopped_and_an_adopted_one_is_reported(stage: Stage) -> None:
    handle = stage.start(*agents.hangs(ready := stage.fifo()))
    agents.hear(ready)
    supervisor = Supervisor(LocalHost())
    supervisor.adopt("found", handle)
    assert supervisor.live() == {"found": handle}
    assert not supervisor.stop("other")
    assert supervisor.stop("found")
    end = supervisor.ended.get(timeout=60)
    assert (end.key, end.handle, end.exit.reason) == ("found", handle, "stopped")


def test_a_check_is_run_and_its_last_lines_kept(stage: Stage) -> None:
    checked = Supervisor(stage.host).run_check("test", stage.spec("sh", "-c", "seq 1 100; exit 2"))
    assert checked.exit.code == 2
    assert checked.tail.endswith("\n99\n100")
    assert len(checked.tail.split("\n")) == 30


def test_a_check_ends_when_everything_is_stopped(stage: Stage) -> None:
    supervisor = Supervisor(stage.host)
    ready = stage.fifo()
    reasons = []
    spec = stage.spec(*agents.hangs(ready))
    thread = threading.Thread(target=lambda: reasons.append(supervisor.run_check("test", spec).exit.reason))
    thread.start()
    agents.hear(ready)
    assert supervisor.stop_all(60) == ()
    thread.join()
    assert reasons == ["stopped"]
