"""What can be said of the process that a lock names: only what is proven."""

from __future__ import annotations

import os
import subprocess

import msgspec

from gitfleet.store import holders
from gitfleet.store.holders import Holder, Life

ME = holders.present("gitfleet wave")


def life(**changed: object) -> Life:
    return holders.judge(msgspec.structs.replace(ME, **changed)).life


def test_this_process_lives() -> None:
    assert holders.judge(ME).life is Life.LIVING


def test_a_pid_that_is_somebody_elses_by_now_is_a_dead_owner() -> None:
    assert life(started="1") is Life.DEAD


def test_an_ended_process_is_dead_even_before_its_parent_looks() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        boot, started = holders.process_identity(process.pid)
        assert life(pid=process.pid, boot=boot, started=started) is Life.DEAD
        process.wait()
        assert life(pid=process.pid, boot=boot, started=started) is Life.DEAD


def test_nobody_elsewhere_is_ever_dead() -> None:
    for place in ({"host": "elsewhere"}, {"boot": "0"}, {"namespace": "pid:[1]"}):
        for facts in ({}, {"pid": 2**22 + 1}, {"started": "1"}):
            assert life(**place, **facts) is Life.UNKNOWN
    for missing in ({"pid": 0}, {"started": ""}, {"boot": ""}):
        assert life(**missing) is Life.UNKNOWN


def test_it_is_named_for_people() -> None:
    assert str(ME) == f"process {os.getpid()} on {ME.host} (gitfleet wave), since {ME.since}"
    assert str(Holder(pid=0, host="")) == "another process"
