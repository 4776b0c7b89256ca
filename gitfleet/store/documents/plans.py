"""From what people write to the plan that the program works on, and back to canonical YAML.

``normalise`` resolves aliases, defaults and ``(read-only)`` entries. It keeps where each value came from, so that a
problem that is found in the plan can be shown at the place in the document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from gitfleet.model.budget import Budget
from gitfleet.model.plan import PLAN_SCHEMA, Plan, Task, TaskKind
from gitfleet.model.plan_document import PlanDocument, TaskDocument
from gitfleet.model.worker import TaskEnvironment, TaskWorkspace, Worker
from gitfleet.store.documents.emit import emit
from gitfleet.store.documents.source import pruned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.errors import Problem
    from gitfleet.model.plan_document import Strings, WorkerDocument, WorkspaceDocument
    from gitfleet.model.retry import RetryPolicy
    from gitfleet.store.documents.source import Json, Source, Trail

_READ_ONLY = re.compile(r"\s*\(\s*read[- ]only\s*\)\s*\Z", re.IGNORECASE)


@dataclass(slots=True)
class Normalised:
    """A plan, the places in the document that its values came from, and what resolving it found wrong."""

    plan: Plan
    origins: dict[Trail, Trail] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def origin(self, trail: Trail) -> Trail:
        """Return the place in the document of a place in the plan."""
        for length in range(len(trail), 0, -1):
            found = self.origins.get(trail[:length])
            if found is not None:
                return (*found, *trail[length:])
        return trail


def normalise(source: Source, data: Json) -> Normalised:
    """Turn data that is valid against the schema of plans into a plan; the source says where its values stood.

    Raises ``msgspec.ValidationError`` for other data.
    """
    document = msgspec.convert(data, type=PlanDocument)
    result = Normalised(Plan(name="", tasks=()))
    tasks = tuple(_task(task, index, document, source, result) for index, task in enumerate(document.tasks))
    result.plan = Plan(
        name=document.name.strip() or _stem(source.name),
        direction=document.direction,
        labels=document.labels,
        tasks=tasks,
    )
    return result


def salvage(source: Source, broken: Iterable[Trail]) -> tuple[Json, frozenset[str]]:
    """Keep what can be checked of a plan that is wrong in places, and name the tasks whose ids are.

    Values at the broken places are dropped and tasks keep their positions, so that everything else that is wrong with
    the document can be said in the same breath.
    """
    data = pruned(source.data, broken)
    unnamed: set[str] = set()
    tasks = data.get("tasks") if isinstance(data, dict) else None
    if isinstance(tasks, list):
        for index, task in enumerate(tasks):
            if not isinstance(task, dict):
                tasks[index] = {"id": f"unreadable-{index}", "command": "true"}
            elif "id" not in task:
                task["id"] = f"unreadable-{index}"
                unnamed.add(str(_raw_id(source.data, index)))
    return data, frozenset(unnamed)


def _raw_id(data: Json, index: int) -> Json:
    tasks = data["tasks"] if isinstance(data, dict) else None
    task = tasks[index] if isinstance(tasks, list) else None
    return task.get("id") if isinstance(task, dict) else None


def write_plan(plan: Plan) -> bytes:
    """Write a plan as canonical YAML, which reads back equal."""
    built = msgspec.to_builtins(plan)
    return emit({"schema": PLAN_SCHEMA, **{key: value for key, value in built.items() if key != "schema"}})


def _stem(name: str) -> str:
    stem = PurePath(name).stem.strip()
    return stem if stem and stem != "-" else "plan"


def _task(task: TaskDocument, index: int, document: PlanDocument, source: Source, result: Normalised) -> Task:
    trail: Trail = ("tasks", index)
    scope, reads = _paths(task, trail, source, result)
    defaults = document.defaults
    agent = task.agent
    if agent is None and task.command is None and defaults.agent is not None:
        agent = defaults.agent
        result.origins[*trail, "agent"] = ("defaults", "agent")
    return Task(
        id=task.id,
        name=task.name,
        objective=task.objective,
        instructions=task.instructions,
        command=task.command,
        scope=scope,
        reads=reads,
        depends_on=_alias(task.depends_on, task.deps, (*trail, "depends_on"), (*trail, "deps"), source, result),
        kind=task.kind or defaults.kind or TaskKind.BUILD,
        agent=agent,
        model=task.model or (defaults.model if task.command is None else ""),
        effort=task.effort or (defaults.effort if task.command is None else None),
        verify=task.verify,
        priority=task.priority,
        estimate=task.estimate,
        timeout_seconds=task.timeout_seconds if task.timeout_seconds is not None else defaults.timeout_seconds,
        budget=_budget(task, trail, document, result),
        retry_policy=_retry(task, trail, document, result),
        retry_safe=_first(task.retry_safe, defaults.retry_safe, otherwise=True),
        context=_list(task.context),
        worker=_worker(task.worker),
        workspace=_workspace(task.workspace),
        input_files=_list(task.input_files),
        tags=_list(task.tags),
        metadata=task.metadata,
        expected_artifacts=task.expected_artifacts,
    )


def _retry(task: TaskDocument, trail: Trail, document: PlanDocument, result: Normalised) -> RetryPolicy | None:
    """What a task says of retries, on top of what the plan says for all, field by field."""
    common = document.defaults.retry_policy
    if common is None:
        return task.retry_policy
    for name in common.__struct_fields__:
        if task.retry_policy is None or getattr(task.retry_policy, name) is None:
            result.origins[*trail, "retry_policy", name] = ("defaults", "retry_policy", name)
    return common.under(task.retry_policy)


def _budget(task: TaskDocument, trail: Trail, document: PlanDocument, result: Normalised) -> Budget | None:
    """What a task may use: its own word, then the plan's, of which a command is held to seconds alone."""
    common = document.defaults.budget
    if common is not None and task.command is not None:
        common = Budget(max_seconds=common.max_seconds) if common.max_seconds else None
    if common is None:
        return task.budget
    own = task.budget or Budget()
    for name in common.said():
        if name not in own.said():
            result.origins[*trail, "budget", name] = ("defaults", "budget", name)
    return own.over(common)


def _worker(given: WorkerDocument | None) -> Worker | None:
    if given is None:
        return None
    return Worker(
        role=given.role,
        tool_profile=given.tool_profile,
        tools=_list(given.tools),
        capabilities=_list(given.capabilities),
    )


def _workspace(given: WorkspaceDocument | None) -> TaskWorkspace | None:
    """What must be there; what may be written is the task's scope."""
    if given is None or not (given.required_files or given.environment):
        return None
    needs = given.environment
    wanted = TaskEnvironment(required=_list(needs.required), allowlist=_list(needs.allowlist)) if needs else None
    return TaskWorkspace(required_files=_list(given.required_files), environment=wanted)


def _first(*said: bool | None, otherwise: bool) -> bool:
    return next((value for value in said if value is not None), otherwise)


def _paths(
    task: TaskDocument, trail: Trail, source: Source, result: Normalised
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Scope and reads of a task; an entry of the scope that says ``(read-only)`` is moved to the reads."""
    writable: Strings = task.workspace.writable_paths if task.workspace is not None else ()
    given, other = (*trail, "scope"), (*trail, "workspace", "writable_paths")
    entries = _alias(task.scope, writable, given, other, source, result)
    written = result.origins.pop(given)
    single = isinstance(writable if written == other else task.scope, str)
    scope: list[str] = []
    reads = list(_list(task.reads))
    for position in range(len(reads)):
        result.origins[*trail, "reads", position] = (
            (*trail, "reads") if isinstance(task.reads, str) else (*trail, "reads", position)
        )
    for position, entry in enumerate(entries):
        origin = written if single else (*written, position)
        bare = _READ_ONLY.sub("", entry)
        target, name = (scope, "scope") if bare == entry else (reads, "reads")
        result.origins[*trail, name, len(target)] = origin
        target.append(bare)
    return tuple(scope), tuple(reads)


def _alias(
    value: Strings, other: Strings, trail: Trail, other_trail: Trail, source: Source, result: Normalised
) -> tuple[str, ...]:
    """Return the value of a field that has two names; both at once are refused."""
    if value and other:
        names = ".".join(str(step) for step in other_trail[2:])
        result.problems.append(
            source.problem(
                other_trail, f"`{trail[-1]}` and `{names}` are two names of one field", hint="keep one", key=True
            )
        )
    used, written = (value, trail) if value or not other else (other, other_trail)
    result.origins[trail] = written
    return _list(used)


def _list(value: Strings) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
