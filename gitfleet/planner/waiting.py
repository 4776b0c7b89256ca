"""What waits for a person, who resolves a conflict or permits something, and what must not wait for it: pure.

A run that waits so is not over: what depends on it waits, and everything else goes on, later waves included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.run import RunState
from gitfleet.planner.graph import in_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run


_WAITING = frozenset({RunState.QUEUED, RunState.GATED})


def held_back(plan: Plan, runs: Mapping[str, Run]) -> frozenset[str]:
    """Runs that a person is waited for: in conflict or parked, and those that cannot go on without one of them."""
    held = {task for task, run in runs.items() if run.waiting}
    if not held:  # asked at every step of a session, and nearly always nothing is
        return frozenset()
    for task in in_order(plan.tasks):
        if runs[task.id].state in _WAITING and held.intersection(task.depends_on):
            held.add(task.id)
    return frozenset(held)
