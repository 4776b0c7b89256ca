"""What starts next, and what can never start any more: one pure decision for both styles of dispatch.

With the wave barrier the tasks of the current wave start; the coordinator moves on to the next one. Rolling, a task
starts as soon as its dependencies have landed, its scope is free and a slot is open. Either way tasks are tried in the
order of the schedule, and a task that cannot start now does not hold up those behind it. Read-only research that ran
out of time lets those that depend on it go on as if it had landed: what it reported is all that they need of it.

Claims of other sessions and token budgets are not looked at: claiming decides about the first, waves about the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from gitfleet.model.run import LIVE, SEALED, RunState
from gitfleet.planner.graph import in_order
from gitfleet.planner.retries import suffices
from gitfleet.planner.scopes import Scope, ScopeIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitfleet.model.plan import Plan, Task
    from gitfleet.planner.waves import Schedule

WORKING = frozenset({RunState.PREPARING, RunState.RUNNING})
"""States in which an agent takes a slot; later ones still hold their scope."""


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """Tasks to start now, in this order, and queued tasks to skip, each with the reason.

    A reason names the task at the root, as in ``api-auth failed`` or ``depends on ui, and api-auth was cancelled``.
    """

    start: tuple[str, ...] = ()
    skip: tuple[tuple[str, str], ...] = ()


def decide(
    plan: Plan,
    schedule: Schedule,
    states: Mapping[str, RunState],
    *,
    rolling: bool,
    max_agents: int,
    scopes: Mapping[str, Scope],
    fold: bool,
    current_wave: int,
) -> Decision:
    """Decide what starts now.

    ``states`` has the state of every run; a task without one counts as queued. ``scopes`` are those that the tasks
    claim, ``max_agents`` is the number of agents at the same time, ``current_wave`` counts from 1 and matters without
    ``rolling`` only. A task that the schedule does not have is never started,
    which is how the coordinator keeps one back.
    """
    skip = doomed(plan, states)
    tasks = {task.id: task for task in plan.tasks}
    slots = max_agents - sum(states.get(task, RunState.QUEUED) in WORKING for task in tasks)
    start: list[str] = []
    held: ScopeIndex | None = None
    for task_id in _offered(schedule, rolling=rolling, current_wave=current_wave):
        if len(start) >= slots:
            break
        if task_id in skip or not _may_go(tasks.get(task_id), tasks, states):
            continue
        if held is None:
            held = _held(tasks, states, scopes, fold=fold)
        if next(held.meeting(scopes[task_id]), None) is None:
            held.add(task_id, scopes[task_id])
            start.append(task_id)
    return Decision(tuple(start), tuple((task, skip[task]) for task in tasks if task in skip))


def doomed(plan: Plan, states: Mapping[str, RunState]) -> dict[str, str]:
    """Map each queued task that can never start, because a dependency ended without landing, to the reason."""
    roots: dict[str, str] = {}
    found: dict[str, str] = {}
    # Asked at every step of a session, and nearly always nothing has failed.
    if not any(state in SEALED and state is not RunState.LANDED for state in states.values()):
        return found
    for task in in_order(plan.tasks):
        state = states.get(task.id, RunState.QUEUED)
        if suffices(task, state):
            continue
        wanted = next((other for other in task.depends_on if other in roots), None)
        if wanted is not None and state in (RunState.QUEUED, RunState.SKIPPED):
            root = roots[task.id] = roots[wanted]
            if state is RunState.QUEUED:
                ended = f"{root} {_ENDED[states[root]]}"
                found[task.id] = ended if root == wanted else f"depends on {wanted}, and {ended}"
        elif state in SEALED:
            roots[task.id] = task.id
    return found


_ENDED = {
    RunState.REJECTED: "was rejected",
    RunState.FAILED: "failed",
    RunState.TIMED_OUT: "timed out",
    RunState.CANCELLED: "was cancelled",
    RunState.LOST: "was lost",
    RunState.SKIPPED: "was skipped",
}


def _offered(schedule: Schedule, *, rolling: bool, current_wave: int) -> Iterator[str]:
    waves = schedule.waves if rolling else schedule.waves[current_wave - 1 : current_wave]
    for wave in waves:
        yield from wave


def _may_go(task: Task | None, tasks: Mapping[str, Task], states: Mapping[str, RunState]) -> bool:
    return (
        task is not None
        and states.get(task.id, RunState.QUEUED) is RunState.QUEUED
        and all(_let_go(tasks.get(wanted), states.get(wanted)) for wanted in task.depends_on)
    )


def _let_go(wanted: Task | None, state: RunState | None) -> bool:
    return wanted is not None and state is not None and suffices(wanted, state)


def _held(
    tasks: Mapping[str, Task], states: Mapping[str, RunState], scopes: Mapping[str, Scope], *, fold: bool
) -> ScopeIndex:
    index = ScopeIndex(fold=fold)
    for task in tasks:
        if states.get(task, RunState.QUEUED) in LIVE:
            index.add(task, scopes[task])
    return index
