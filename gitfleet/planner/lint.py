"""What a plan means, checked before anything runs: every finding, with its place in the struct.

Pure: no files, no git. ``fold`` says that the repository ignores case, so that two spellings of a name are one path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.agent_config import BUILT_IN, AgentKind
from gitfleet.model.budget import Budget
from gitfleet.model.retry import RetryConfig
from gitfleet.planner.findings import (
    Finding,
    Trail,
    is_branch_name,
    near,
    unfit_backoff,
    unfit_name,
    unfit_variable,
    unfit_when,
    unknown_agent,
)
from gitfleet.planner.knots import circles
from gitfleet.planner.scopes import ScopeError, fold_name, parse_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan, Task


def lint_plan(
    plan: Plan, config: Config | None, *, fold: bool = False, outside: frozenset[str] = frozenset()
) -> tuple[Finding, ...]:
    """Everything that is wrong with a plan, in the order of its tasks.

    Without a ``config`` agents are not checked, as for the record of a plan that ran under an older one. ``outside``
    are ids of tasks that are not in this plan and may be depended on.
    """
    found = [*_names(plan), *_ids(plan, outside), *_dependencies(plan, outside), *_cycles(plan), *_entries(plan)]
    if fold:
        found.extend(_spellings(plan))
    for index, task in enumerate(plan.tasks):
        found.extend(_work(task, index, config))
    return tuple(found)


def _names(plan: Plan) -> Iterator[Finding]:
    """Names end up in commit subjects and tables, which are lines."""
    named: list[tuple[Trail, str]] = [(("name",), plan.name)]
    for index, task in enumerate(plan.tasks):
        named.append((("tasks", index, "name"), task.name))
        named += [(("tasks", index, "verify", at, "name"), check.name) for at, check in enumerate(task.verify)]
    for trail, name in named:
        yield from unfit_name(trail, name)
        if len(name) > 200:
            yield Finding(trail, f"the name has {len(name)} characters", "at most 200")


def _ids(plan: Plan, outside: frozenset[str]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, task in enumerate(plan.tasks):
        trail: Trail = ("tasks", index, "id")
        if task.id in first:
            yield Finding(
                trail, f"the id `{task.id}` is given twice, first in tasks[{first[task.id]}]", hint="rename one"
            )
        elif task.id in outside:
            yield Finding(trail, f"the id `{task.id}` is taken by a task of the session", hint="rename it")
        first.setdefault(task.id, index)
        if not is_branch_name(task.id):
            yield Finding(
                trail,
                f"`{task.id}` cannot be part of a branch name",
                "no `..`, no dot and no `.lock` at the end",
            )


def _dependencies(plan: Plan, outside: frozenset[str]) -> Iterator[Finding]:
    known = {task.id for task in plan.tasks} | outside
    for index, task in enumerate(plan.tasks):
        seen: set[str] = set()
        for position, wanted in enumerate(task.depends_on):
            trail: Trail = ("tasks", index, "depends_on", position)
            if wanted not in known:
                yield Finding(trail, f"unknown dependency `{wanted}`", "the id of a task", near(wanted, known))
            elif wanted in seen:
                yield Finding(trail, f"the dependency `{wanted}` is given twice", hint="keep one")
            seen.add(wanted)


def _cycles(plan: Plan) -> Iterator[Finding]:
    """One finding for each knot of tasks that wait for each other, with a shortest way around named in full."""
    known = {task.id for task in plan.tasks}
    # Of tasks that share an id, which is told elsewhere, the first counts.
    waits: dict[str, list[str]] = {}
    places: dict[str, int] = {}
    for index, task in enumerate(plan.tasks):
        waits.setdefault(task.id, [wanted for wanted in task.depends_on if wanted in known])
        places.setdefault(task.id, index)
    for path in circles(waits):
        start = places[path[0]]
        yield Finding(
            ("tasks", start, "depends_on", plan.tasks[start].depends_on.index(path[1])),
            f"the tasks wait for each other: {' -> '.join(path)}",
            hint="remove one of these dependencies",
        )


def _entries(plan: Plan) -> Iterator[Finding]:
    for index, task in enumerate(plan.tasks):
        excludes = 0
        for name, entries in (("scope", task.scope), ("reads", task.reads)):
            for position, entry in enumerate(entries):
                try:
                    excludes += parse_entry(entry).exclude and name == "scope"
                except ScopeError as error:
                    yield Finding(
                        ("tasks", index, name, position), f"bad entry `{entry}`: {error}", "a path of the repository"
                    )
        for at, check in enumerate(task.verify):
            yield from unfit_when(("tasks", index, "verify", at, "when"), check.when)
        if task.scope and excludes == len(task.scope):
            yield Finding(
                ("tasks", index, "scope"),
                "the scope only excludes",
                "an entry that may be written",
                "begin with `.` for everything, or leave the scope out for a read-only task",
            )


def _spellings(plan: Plan) -> Iterator[Finding]:
    """Find names spelled in two ways, which a repository that ignores case takes for one."""
    first: dict[tuple[str, ...], str] = {}
    said: set[tuple[tuple[str, ...], str]] = set()
    for index, task in enumerate(plan.tasks):
        for field, entries in (("scope", task.scope), ("reads", task.reads)):
            for position, entry in enumerate(entries):
                try:
                    head = parse_entry(entry).head
                except ScopeError:
                    continue
                folded: tuple[str, ...] = ()
                for depth, name in enumerate(head):
                    folded = (*folded, fold_name(name))
                    known = first.setdefault(folded, name)
                    if known != name and (folded, name) not in said:
                        said.add((folded, name))
                        path, other = "/".join(head[: depth + 1]), "/".join((*head[:depth], known))
                        yield Finding(
                            ("tasks", index, field, position),
                            f"`{path}` and `{other}` are one path here, since this repository ignores case",
                            hint="spell it as the repository does",
                        )


def _work(task: Task, index: int, config: Config | None) -> Iterator[Finding]:
    """Whether there is something to do and somebody to do it."""
    trail: Trail = ("tasks", index)
    if task.command is not None:
        if not task.command.strip():
            yield Finding((*trail, "command"), "the command is blank", "a shell command")
        if task.agent is not None:
            yield Finding(
                (*trail, "agent"), f"task `{task.id}` has a command and names an agent", hint="keep one of them"
            )
        yield from _without_model(task, trail, "a command")
    else:
        if not task.instructions.strip():
            yield Finding(trail, f"task `{task.id}` has nothing to do", "`instructions` or `command`")
        if config is not None:
            yield from _agent(task, trail, config)
    yield from _retries(task, trail, config)
    yield from _needs(task, trail)
    for position, check in enumerate(task.verify):
        if not check.run.strip():
            yield Finding((*trail, "verify", position, "run"), "the command is blank", "a shell command")


def _needs(task: Task, trail: Trail) -> Iterator[Finding]:
    """Whether what must be there before a task starts can be looked for."""
    workspace = task.workspace
    files = [((*trail, "input_files", at), path) for at, path in enumerate(task.input_files)]
    if workspace is not None:
        place = (*trail, "workspace", "required_files")
        files += [((*place, at), path) for at, path in enumerate(workspace.required_files)]
    for where, path in files:
        try:
            plain = not parse_entry(path).exclude and not set(path) & set("*?[")
        except ScopeError as error:
            yield Finding(where, f"bad path `{path}`: {error}", "a path of the repository")
            continue
        if not plain:
            yield Finding(where, f"`{path}` is a pattern", "the path of one file or directory")
    if workspace is not None and workspace.environment is not None:
        for field in ("required", "allowlist"):
            for at, name in enumerate(getattr(workspace.environment, field)):
                yield from unfit_variable((*trail, "workspace", "environment", field, at), name)


def _retries(task: Task, trail: Trail, config: Config | None) -> Iterator[Finding]:
    """Whether what a task says of retries makes sense with what the config says."""
    own = task.retry_policy
    if own is None:
        return
    said = "max_backoff_seconds" if own.max_backoff_seconds is not None else "initial_backoff_seconds"
    if getattr(own, said) is not None and (config is None or not any(unfit_backoff(trail, config.retry))):
        yield from unfit_backoff((*trail, "retry_policy", said), own.over(config.retry if config else RetryConfig()))


def _without_model(task: Task, trail: Trail, who: str) -> Iterator[Finding]:
    for field in ("model", "effort"):
        if getattr(task, field):
            yield Finding((*trail, field), f"`{field}` means nothing for {who}", "an agent with a model")
    for field in (task.budget or Budget()).said():
        if field != "max_seconds":
            message = f"`budget.{field}` cannot be held for {who}, which tells nothing but the time it takes"
            yield Finding((*trail, "budget", field), message, "`max_seconds`, or an agent with a model")


def _agent(task: Task, trail: Trail, config: Config) -> Iterator[Finding]:
    of = config.agent_named(task.agent or config.agent or "")
    if of is not None and of.kind is AgentKind.COMMAND:
        yield from _without_model(task, trail, "a command agent")
    elif of is not None and of.kind is AgentKind.AUTO and task.model:
        message = "`model` is a word of one program, and `auto` may be any"
        yield Finding((*trail, "model"), message, "an agent of one kind, or no model")
    if task.agent is not None and config.agent_named(task.agent) is None:
        yield unknown_agent((*trail, "agent"), task.agent, config.agents)
    elif of is not None and task.worker is not None:
        lacks = [name for name in task.worker.capabilities if name not in of.capabilities]
        if lacks:
            named = task.agent or config.agent
            yield Finding(
                (*trail, "worker", "capabilities"),
                f"agent `{named}` lacks {', '.join(f'`{name}`' for name in lacks)}",
                "an agent with these `capabilities`",
                f"add them to `agents.{named}.capabilities` in .planning/config.yaml, or name another agent",
            )
    elif task.agent is None and config.agent is None:
        agents = ", ".join(f"`{name}`" for name in dict.fromkeys((*config.agents, *BUILT_IN)))
        hint = f"name one with `agent:` ({agents}), or set `agent:` in .planning/config.yaml for all"
        yield Finding(trail, f"task `{task.id}` has no command and no agent", "a command or an agent", hint)
