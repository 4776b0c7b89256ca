"""Which agent does a task: an entry in a dictionary for each kind of backend.

A new backend is a module that implements ``base.Agent`` and an entry in ``BUILDERS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.agents.command import ProgramAgent, ShellAgent, check_argv
from gitfleet.errors import GitfleetError, Kind, Problem
from gitfleet.model.config import AgentKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.agents.base import Agent
    from gitfleet.model.config import AgentConfig, Config
    from gitfleet.model.plan import Task


def _command(name: str, config: AgentConfig) -> Agent:
    return ProgramAgent(name=name, argv=config.argv, stdin=config.stdin, allow=config.env.allow)


BUILDERS: dict[AgentKind, Callable[[str, AgentConfig], Agent]] = {AgentKind.COMMAND: _command}


def agent_name(task: Task, config: Config) -> str | None:
    """Find the name of the agent that does a task: ``command`` for a shell command; none when nothing says."""
    if task.command is not None:
        return "command"
    return task.agent or config.agent


def agent_for(task: Task, config: Config) -> Agent:
    """Build the agent that does a task.

    Raises ``GitfleetError`` when the task names none and there is no default, or names one that the config lacks. The
    document loader finds these earlier and with their place; this is for a config that changed since.
    """
    if task.command is not None:
        named = config.agents.get(task.agent or "")
        return ShellAgent(allow=named.env.allow if named else ())
    name = agent_name(task, config)
    if name is None:
        raise GitfleetError(
            Kind.DOCUMENT,
            "no-agent",
            f"Task {task.id} has no `command` and names no agent, and the config has no default.",
            hint="Give the task `command:` or `agent:`, or set `agent:` in .planning/config.yaml.",
        )
    found = config.agents.get(name)
    if found is None:
        known = ", ".join(sorted(config.agents)) or "none"
        raise GitfleetError(
            Kind.DOCUMENT,
            "unknown-agent",
            f"Task {task.id} wants agent {name}, which the config does not have (it has {known}).",
            hint="Add it under `agents:` in .planning/config.yaml.",
        )
    return BUILDERS[found.kind](name, found)


def problems(config: Config, document: str) -> list[Problem]:
    """Find what is wrong with the agents of a config beyond its schema, in the order in which it names them."""
    found = []
    for name, agent in config.agents.items():
        place = f"agents.{name}.argv"
        if not agent.argv:
            found.append(Problem(document, place, "the agent has no program to run", expected="at least one word"))
        found += [Problem(document, place, clause) for clause in check_argv(agent.argv)]
    return found
