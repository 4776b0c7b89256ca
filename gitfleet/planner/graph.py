"""Dependencies between tasks: who comes before whom, and how long the chain behind a task is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitfleet.model.plan import Task


def unknown_dependencies(tasks: Sequence[Task]) -> tuple[tuple[str, str], ...]:
    """List (task, dependency) for each dependency that no task of these has the id of."""
    ids = {task.id for task in tasks}
    return tuple((task.id, wanted) for task in tasks for wanted in task.depends_on if wanted not in ids)


def in_order(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Sort tasks so that dependencies come first, in plan order otherwise; tasks in or behind a circle are left out.

    Dependencies on tasks that are not among these are ignored.
    """
    ids = {task.id for task in tasks}
    waiting = {task.id: len(set(task.depends_on) & ids) for task in tasks}
    behind = dependents(tasks)
    by_id = {task.id: task for task in tasks}
    ready = [task.id for task in tasks if not waiting[task.id]]
    ordered: list[Task] = []
    for task_id in ready:
        ordered.append(by_id[task_id])
        for other in behind[task_id]:
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    return tuple(ordered)


def dependents(tasks: Iterable[Task]) -> dict[str, tuple[str, ...]]:
    """Map each task to the tasks that depend on it directly, in plan order."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        found.setdefault(task.id, [])
        for wanted in dict.fromkeys(task.depends_on):
            found.setdefault(wanted, []).append(task.id)
    return {task: tuple(others) for task, others in found.items()}


def ancestors(tasks: Sequence[Task]) -> dict[str, int]:
    """Map each task to the set of tasks that come before it, directly or not, as bits by place in ``tasks``.

    The tasks must be free of circles and of unknown dependencies.
    """
    place = {task.id: number for number, task in enumerate(tasks)}
    found: dict[str, int] = {}
    for task in in_order(tasks):
        found[task.id] = 0
        for wanted in task.depends_on:
            found[task.id] |= found[wanted] | 1 << place[wanted]
    return found


def chains(tasks: Sequence[Task]) -> dict[str, float]:
    """Map each task to the weight of the longest chain that begins with it, in minutes.

    A task weighs its estimated minutes. One without an estimate weighs as much as the median of those that have one, so
    that a plan with a few estimates does not take the others for nothing; without any estimate each task weighs 1.
    """
    known = sorted(task.estimate.minutes for task in tasks if task.estimate and task.estimate.minutes is not None)
    usual = known[(len(known) - 1) // 2] if known else 1.0
    behind = dependents(tasks)
    weights: dict[str, float] = {}
    for task in reversed(in_order(tasks)):
        own = task.estimate.minutes if task.estimate and task.estimate.minutes is not None else usual
        weights[task.id] = own + max((weights[other] for other in behind[task.id]), default=0.0)
    return weights


def reaches(before: Mapping[str, int], place: Mapping[str, int], one: str, other: str) -> bool:
    """Whether dependencies order two tasks, in either direction; ``before`` as of ``ancestors``."""
    return bool(before[one] >> place[other] & 1 or before[other] >> place[one] & 1)
