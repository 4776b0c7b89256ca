"""What is told before anything starts: waves, commands, permissions, and how hard the result is to take back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.agents.registry import agent_name
from gitfleet.app.sessions.budgets import caps
from gitfleet.model.agent_config import AgentKind, Permissions
from gitfleet.model.reports import Disclosure, PlacedTask, PlacedWave

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.app.sessions.target import Target
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan, Task
    from gitfleet.model.session import Reversibility
    from gitfleet.planner.waves import Schedule


def disclose(
    plan: Plan,
    config: Config,
    placed: Schedule,
    target: Target,
    graded: tuple[Reversibility, str],
    notes: tuple[str, ...],
    pool: str,
) -> Disclosure:
    """Gather what a person decides on: ``graded`` is reversibility with its reason, ``pool`` the place of worktrees."""

    def row(task: Task) -> PlacedTask:
        placement = placed.placements[task.id]
        return PlacedTask(
            task=task.id,
            name=task.title,
            agent=agent_name(task, config) or "command",
            scope=task.scope,
            depends_on=task.depends_on,
            command=task.command or "",
            instructions=task.instructions,
            tokens=placement.tokens,
            reason=placement.reason,
        )

    for words, entries in (("a copy of", config.worktrees.copied), ("a link to", config.worktrees.link)):
        if entries:
            notes = (*notes, f"every worktree gets {words} your {', '.join(entries)}, so agents can read it")
    notes = (*notes, *_tools(plan))
    tasks = {task.id: task for task in plan.tasks}
    waves = tuple(
        PlacedWave(number=number, tasks=tuple(row(tasks[task]) for task in wave))
        for number, wave in enumerate(placed.waves, start=1)
    )
    asked, told = config.verify.fingerprint.commands, config.notify.commands
    return Disclosure(
        plan=plan.name,
        direction=plan.direction,
        agents=len(plan.tasks),
        max_agents=config.waves.max_agents,
        waves=waves,
        rolling=config.waves.rolling,
        target=target.ref,
        creates_target=target.new,
        base=target.base,
        checks=tuple(check.run for check in config.verify.commands),
        commands=tuple(dict.fromkeys((*config.worktrees.setup, *asked, *_commands(plan, config), *told))),
        budget_tokens=sum(placement.tokens for placement in placed.placements.values()),
        budgets=caps(plan, config),
        permissions=permissions(plan, config),
        retries=_retries(plan, config),
        reversibility=graded[0],
        reversibility_reason=graded[1],
        worktrees=pool,
        notes=notes,
    )


def beyond(plan: Plan, config: Config) -> frozenset[str]:
    """What tasks bring beyond an agent that does what its program allows unasked.

    That is commands, agents with a bypass, tools that are asked for, and variables of the person's.
    """
    return frozenset((*_commands(plan, config), *_freed(_doing(plan, config)), *_tools(plan)))


def permissions(plan: Plan, config: Config) -> str:
    """Say what agents may do on this machine; those with a bypass by name, also where they only step in."""
    agents = _doing(plan, config)
    models = {name: agent for name, agent in agents.items() if agent.kind is not AgentKind.COMMAND}
    freed = _freed(agents)
    asking = [name for name in models if name not in freed]
    clauses = []
    if freed:
        words = "may do anything unasked: its program refuses nothing (permissions: bypass)"
        clauses.append(f"{', '.join(freed)} {words}")
    if asking:
        words = "what its program allows unasked in its worktree; for anything else it waits for `gitfleet approve`"
        clauses.append(f"{', '.join(asking)}: {words}")
    if len(models) < len(agents) or not models or any(task.command is not None for task in plan.tasks):
        clauses.append("commands run as you, each in a worktree of its own; nothing confines them to it")
    return "; ".join(clauses)


def _doing(plan: Plan, config: Config) -> dict[str, AgentConfig]:
    """The agents that may come to work, by name: those of tasks, their fallbacks, and whom `auto` stands for.

    A resolver is the agent of its task. A planner is told of before it makes a plan, and is done when that is told.
    """
    if config.fixture:
        return {}
    meant = dict.fromkeys(agent_name(task, config) or "" for task in plan.tasks if task.command is None)
    names = dict.fromkeys(name for one in meant for stage in config.stages(one) for name in stage)
    return {name: agent for name in names if (agent := config.agent_named(name)) is not None}


def _freed(agents: Mapping[str, AgentConfig]) -> list[str]:
    return [
        name
        for name, agent in agents.items()
        if agent.kind is not AgentKind.COMMAND and agent.permissions is Permissions.BYPASS
    ]


def _commands(plan: Plan, config: Config) -> tuple[str, ...]:
    """The commands that tasks, their agents and their own checks are."""
    return (
        *(task.command for task in plan.tasks if task.command),
        *(" ".join(agent.argv) for agent in _doing(plan, config).values() if agent.argv),
        *(check.run for task in plan.tasks for check in task.verify),
    )


def _tools(plan: Plan) -> tuple[str, ...]:
    """What tasks ask for beyond the tools that their scopes need, and which variables their agents see."""
    notes = []
    for task in plan.tasks:
        if task.worker is not None and (task.worker.tools or task.worker.tool_profile):
            asked = (
                *((f"profile {task.worker.tool_profile}",) if task.worker.tool_profile else ()),
                *task.worker.tools,
            )
            notes.append(f"{task.id} may use: {', '.join(asked)}")
        environment = task.workspace.environment if task.workspace else None
        if environment is not None:
            names = ", ".join((*environment.required, *environment.allowlist))
            notes.append(f"{task.id} sees your {names}")
    return tuple(notes)


def _retries(plan: Plan, config: Config) -> str:
    """Say how often tasks may be started: a command that reaches beyond its worktree should not be started twice."""
    policies = [task.retry_policy.over(config.retry) if task.retry_policy else config.retry for task in plan.tasks]
    most = max(policy.max_attempts for policy in policies)
    once = [task.id for task in plan.tasks if not task.retry_safe]
    if most == 1:
        return "none: every task is attempted once"
    named = f"; never started twice (not retry_safe): {', '.join(once)}" if once else ""
    return f"at most {most} attempts at a task, after red checks, a conflict, or a failure that is not its own{named}"
