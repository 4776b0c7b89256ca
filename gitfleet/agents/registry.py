"""Which agent does a task: a module for each kind of backend.

A new backend is an ``AgentKind``, and beside this a module of that name with ``build(name, config)`` that gives a
``base.Agent``; it is imported when a task needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

import msgspec

from gitfleet.agents.command import ShellAgent, check_argv
from gitfleet.agents.fixture import FixtureAgent
from gitfleet.errors import GitfleetError, Kind, Problem
from gitfleet.model.agent_config import AgentKind, Effort, ToolProfile
from gitfleet.model.plan import TaskKind

if TYPE_CHECKING:
    from gitfleet.agents.base import Agent
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.config import Config
    from gitfleet.model.evidence import Attempt
    from gitfleet.model.plan import Task


class _Module(Protocol):
    def build(self, name: str, config: AgentConfig) -> Agent: ...


MODULES: dict[AgentKind, str] = {kind: f"gitfleet.agents.{kind}" for kind in AgentKind if kind is not AgentKind.AUTO}
"""Where each kind of agent is built."""


def build(name: str, config: AgentConfig) -> Agent:
    """Build an agent by its config."""
    module: _Module = importlib.import_module(MODULES[config.kind])
    return module.build(name, config)


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
    if config.fixture:
        return FixtureAgent(name=agent_name(task, config) or "fixture")
    if task.command is not None:
        named = config.agent_named(task.agent or "")
        return ShellAgent(allow=named.env.allow if named else ())
    name = agent_name(task, config)
    if name is None:
        raise GitfleetError(
            Kind.DOCUMENT,
            "no-agent",
            f"Task {task.id} has no `command` and names no agent, and the config has no default.",
            hint="Give the task `command:` or `agent:`, or set `agent:` in .planning/config.yaml.",
        )
    found = config.agent_named(name)
    if found is None:
        known = ", ".join(sorted(config.agents)) or "none"
        raise GitfleetError(
            Kind.DOCUMENT,
            "unknown-agent",
            f"Task {task.id} wants agent {name}, which the config does not have (it has {known}).",
            hint="Add it under `agents:` in .planning/config.yaml.",
        )
    return build(name, found)


def as_done(task: Task, attempt: Attempt, config: Config) -> Task:
    """A task as the agent of an attempt does it, which may be one that stepped in for its own.

    A model is the word of one vendor's program: an agent of another kind takes its own.
    """
    if task.command is not None or not attempt.agent or attempt.agent == agent_name(task, config):
        return task
    meant, doing = config.agent_named(agent_name(task, config) or ""), config.agent_named(attempt.agent)
    alike = meant is not None and doing is not None and meant.kind is doing.kind
    return msgspec.structs.replace(task, agent=attempt.agent, model=task.model if alike else "")


EFFORT = {
    TaskKind.RESEARCH: Effort.MEDIUM,
    TaskKind.BUILD: Effort.HIGH,
    TaskKind.VERIFY: Effort.LOW,
    TaskKind.SKILL: Effort.LOW,
}
"""How hard a model thinks about a task of each kind where nobody says."""


def effort_of(task: Task, config: AgentConfig | None) -> Effort:
    """How hard the model of a task is to think: as the task says, else its agent, else its kind."""
    return task.effort or (config.effort if config else None) or EFFORT[task.kind]


def profile_of(task: Task) -> ToolProfile:
    """Which tools a task's agent may use: as the task says, else what its scope needs."""
    said = task.worker.tool_profile if task.worker else None
    return said or (ToolProfile.EDIT if task.scope else ToolProfile.READ_ONLY)


def model_of(task: Task, config: AgentConfig | None) -> str:
    """Which model a task wants; empty for the choice of its agent's program."""
    return task.model or (config.model if config else "")


def problems(config: Config, document: str) -> list[Problem]:
    """Find what is wrong with the agents of a config beyond its schema, in the order in which it names them."""
    found = []
    for name, agent in config.agents.items():
        place = f"agents.{name}.argv"
        if agent.kind is not AgentKind.COMMAND:
            continue
        if not agent.argv:
            found.append(Problem(document, place, "the agent has no program to run", expected="at least one word"))
        found += [Problem(document, place, clause) for clause in check_argv(agent.argv)]
    return found
