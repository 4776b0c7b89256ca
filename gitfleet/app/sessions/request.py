"""What a person asks of a plan on the command line, applied to config and plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.errors import GitfleetError, Kind
from gitfleet.planner.findings import which_agent

if TYPE_CHECKING:
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan


@dataclass(frozen=True, slots=True)
class WaveRequest:
    """What a person asked for; none means "as the config says". ``plan_bytes`` came from ``plan_name``."""

    plan_bytes: bytes
    plan_name: str
    target: str | None = None
    max_agents: int | None = None
    rolling: bool | None = None
    only: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    agent: str | None = None
    fetch: bool = False
    recheck: bool = False
    fixture: bool = False


def overridden(config: Config, request: WaveRequest) -> Config:
    """The config with the options of the command in place of its own values.

    Raises ``GitfleetError`` for options that it cannot follow: ``unknown-agent``, ``no-checks``.
    """
    waves = config.waves
    if request.max_agents is not None:
        waves = msgspec.structs.replace(waves, max_agents=request.max_agents)
    if request.rolling is not None:
        waves = msgspec.structs.replace(waves, rolling=request.rolling)
    if request.agent is not None and config.agent_named(request.agent) is None:
        hint = which_agent(request.agent, config.agents)
        raise GitfleetError(Kind.USAGE, "unknown-agent", f"--agent {request.agent}: there is no such agent.", hint=hint)
    if request.recheck and not config.verify.commands:
        message = "--recheck has nothing to run: no checks are configured."
        raise GitfleetError(Kind.USAGE, "no-checks", message, hint="Set verify.commands in .planning/config.yaml.")
    # An empty option is somebody's unset variable, and no wish for what the config says.
    return msgspec.structs.replace(
        config,
        waves=waves,
        agent=config.agent if request.agent is None else request.agent,
        fixture=config.fixture or request.fixture,
        target=config.target if request.target is None else request.target,
    )


def only_tasks(plan: Plan, only: tuple[str, ...], tags: tuple[str, ...] = ()) -> tuple[Plan, tuple[str, ...]]:
    """The tasks that were asked for, by id or with one of these tags, and everything that they depend on."""
    if not only and not tags:
        return plan, ()
    missing = [tag for tag in tags if not any(tag in task.tags for task in plan.tasks)]
    if missing:
        raise GitfleetError(Kind.USAGE, "unknown-tag", f"--tag {', '.join(missing)}: no task of the plan has it.")
    only = (*only, *(task.id for task in plan.tasks if set(tags) & set(task.tags)))
    known = {task.id: task for task in plan.tasks}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise GitfleetError(Kind.USAGE, "unknown-task", f"--only {', '.join(unknown)}: the plan has no such task.")
    wanted: set[str] = set()
    stack = list(only)
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(known[name].depends_on)
    brought = sorted(wanted - set(only))
    option = "--tag" if tags else "--only"
    notes = (f"{option} brings in dependencies: {', '.join(brought)}",) if brought else ()
    tasks = tuple(task for task in plan.tasks if task.id in wanted)
    return msgspec.structs.replace(plan, tasks=tasks), notes
