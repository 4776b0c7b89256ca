"""What a trivial run costs in git processes and flushes to the disk: counts, which are the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.sessions import plan_of, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

TASKS = 16
GIT_PROCESSES = 18
"""At most so many for each of 16 tasks in two waves, from preparing to clearing up (16.8 when last looked at)."""

FLUSHES = 26
"""At most so many ``fsync`` of the coordinator for each task (22.2 at first); wardens and git add theirs."""

# Python runs a module of this name at its start; wardens do not (``-I -S``).
COUNTING = """
import os

real = os.fsync

def fsync(descriptor):
    with open({log!r}, "ab") as log:
        log.write(b".")
    real(descriptor)

os.fsync = fsync
"""


def test_processes_and_flushes_of_a_trivial_run(fleet: FleetEnv, tmp_path: Path) -> None:
    fleet.repo()
    plan = fleet.plan(plan_of(*(task(f"t{n}", f"echo {n} > f{n}.txt", [f"f{n}.txt"]) for n in range(TASKS))))
    traces, flushes, code = tmp_path / "traces", tmp_path / "flushes", tmp_path / "code"
    traces.mkdir()
    code.mkdir()
    (code / "sitecustomize.py").write_text(COUNTING.format(log=str(flushes)))
    fleet.variables["PYTHONPATH"] = f"{code}:{fleet.environ['PYTHONPATH']}"
    fleet.variables["GIT_TRACE2_EVENT"] = str(traces)
    fleet.run("wave", plan, "--yes", "--max-agents", "8").ok()
    del fleet.variables["GIT_TRACE2_EVENT"]
    assert len(fleet.git("ls-files", "f*.txt").splitlines()) == TASKS
    # Git writes one file for each of its processes, those that git itself starts included.
    processes = len(list(traces.iterdir())) / TASKS
    assert 1 < processes <= GIT_PROCESSES
    assert 1 < flushes.stat().st_size / TASKS <= FLUSHES
