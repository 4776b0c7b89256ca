"""A session of a thousand tasks: what its coordinator holds at the end is what it held near the beginning."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.sessions import plan_of, states, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

TASKS = 1000
WARM = TASKS // 5
"""How many tasks landed before memory counts: imports are done, and every sort of step was taken."""

GROWTH_KIB = 24
"""Most that a task may add: its own record in the books is some 5 KiB, and the allocator of a process with many threads
gives back little of what it had in between."""


@pytest.mark.slow
@pytest.mark.share(7)
@pytest.mark.timeout(900)
def test_memory_and_handles_stay_flat(fleet: FleetEnv, capsys: pytest.CaptureFixture[str]) -> None:
    repo = fleet.repo()
    plan = fleet.plan(plan_of(*(task(f"t{n}", f"echo {n} > f{n}.txt", [f"f{n}.txt"]) for n in range(TASKS))))
    # To a file: a pipe that nobody reads would hold the session up.
    told = fleet.root / "told"
    with told.open("w") as stream:
        line = fleet.argv("wave", plan, "--yes", "--max-agents", "8")
        session = subprocess.Popen(line, cwd=repo, env=fleet.environ, stdin=subprocess.DEVNULL, stdout=stream)
    coordinator = psutil.Process(session.pid)
    seen: list[tuple[int, int, int]] = []
    while session.poll() is None:
        landed = len(list(repo.glob("f*.txt")))
        try:
            # Not a moment that anything waits for: samples, as many as the machine gives.
            seen.append((landed, coordinator.memory_info().rss // 1024, coordinator.num_fds()))
            session.wait(0.25)
        except subprocess.TimeoutExpired:
            continue
        except psutil.Error:
            break
    assert session.wait() == 0, told.read_text()[-2000:]
    assert set(states(fleet, repo).values()) == {"landed"}
    warm = [sample for sample in seen if WARM <= sample[0] < 2 * WARM]
    late = [sample for sample in seen if sample[0] >= TASKS - WARM]
    memory = [min(rss for _, rss, _ in part) for part in (warm, late)]
    handles = [min(count for _, _, count in part) for part in (warm, late)]
    most = max(count for _, _, count in seen)
    grown = (memory[1] - memory[0]) / (TASKS - 2 * WARM)
    with capsys.disabled():
        print(  # noqa: T201 - the numbers are the point
            f"\n{TASKS} tasks: {memory[0] // 1024} MiB after {WARM}, {memory[1] // 1024} MiB at the end "
            f"({grown:.1f} KiB a task); handles {handles[0]} and {handles[1]}, at most {most}"
        )
    assert grown < GROWTH_KIB
    assert handles[1] <= handles[0] + 4
    assert most < 150
