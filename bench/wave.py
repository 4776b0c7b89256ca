"""Many trivial tasks in one session, against a shell loop that does only the git part of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench.measure import Row, Section, gitfleet, metered, repository

if TYPE_CHECKING:
    from pathlib import Path

# What a person would type for one task after the other: no claims, no wardens, no gate, no records, no durability.
LOOP = """
set -e
for n in $(seq 0 {last}); do
    git worktree add -q -b "loop/t$n" "../loop.trees/t$n" main >/dev/null
    (cd "../loop.trees/t$n" && echo "$n" > "f$n.txt" && git add -A && git commit -qm "t$n")
    git merge -q --no-ff --no-edit "loop/t$n" >/dev/null
    git worktree remove "../loop.trees/t$n"
done
"""


def bench(place: Path, tasks: int, agents: int = 8) -> Section:
    """The wave against the loop: seconds, CPU time, and the memory of the largest process."""
    loop_repo, fleet_repo = repository(place, "loop", 200), repository(place, "fleet", 200)
    plan = place / "wave.json"
    plan.write_text(
        json.dumps(
            {
                "schema": "gitfleet/plan/v1",
                "name": "bench",
                "tasks": [
                    {"id": f"t{n}", "command": f"echo {n} > f{n}.txt", "scope": [f"f{n}.txt"]} for n in range(tasks)
                ],
            }
        )
    )
    loop = metered(["sh", "-c", LOOP.format(last=tasks - 1)], place, loop_repo)
    line = gitfleet("wave", str(plan), "--yes", "--max-agents", str(agents))
    wave = metered(line, place, fleet_repo)
    landed = len(list(fleet_repo.glob("f*.txt")))
    assert landed == tasks, f"{landed} of {tasks} landed"
    return Section(
        f"{tasks} trivial tasks, {agents} agents at once",
        [
            Row("shell loop: worktree add, command, commit, merge, worktree remove", loop.seconds, loop.seconds),
            Row(
                "gitfleet wave",
                wave.seconds,
                loop.seconds,
                f"CPU time {wave.cpu / loop.cpu:.2f} x, peak memory {wave.peak} MiB",
            ),
        ],
    )
