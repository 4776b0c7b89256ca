"""What waits for a person, who resolves a conflict or permits something, and what must not wait for it: pure.

A run that waits so is not over: what depends on it waits, and everything else goes on, later waves included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.run import RunState
from gitfleet.planner.graph import in_order
from gitfleet.planner.scopes import ScopeIndex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run
    from gitfleet.planner.scopes import Scope


_WAITING = frozenset({RunState.QUEUED, RunState.GATED})


def held_back(plan: Plan, runs: Mapping[str, Run], scopes: Mapping[str, Scope], *, fold: bool) -> frozenset[str]:
    """Runs that a person is waited for: in conflict or parked, and those that cannot go on without one of them.

    They cannot where they depend on one, or may write what one still holds.
    """
    held = {task for task, run in runs.items() if run.waiting}
    if not held:  # asked at every step of a session, and nearly always nothing is
        return frozenset()
    taken = ScopeIndex(fold=fold)
    for task_id in held:
        taken.add(task_id, scopes[task_id])
    for task in in_order(plan.tasks):
        state = runs[task.id].state
        if task.id in held or state not in _WAITING:
            continue
        blocked = state is RunState.QUEUED and next(taken.meeting(scopes[task.id]), None) is not None
        if blocked or held.intersection(task.depends_on):
            held.add(task.id)
    return frozenset(held)
