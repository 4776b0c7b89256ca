"""How many tokens a task is taken to need where nobody measured it: a guess for planning, never reported as a fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.agent_config import AgentKind
from gitfleet.model.plan import TaskKind

if TYPE_CHECKING:
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Task

TOKEN_HINTS = {
    TaskKind.RESEARCH: 100_000,
    TaskKind.BUILD: 250_000,
    TaskKind.VERIFY: 60_000,
    TaskKind.SKILL: 60_000,
}
"""Tokens that a task of a kind is taken to need, for waves and budgets; never reported as measured."""


def token_hint(task: Task, config: Config) -> int:
    """Tokens that a task is taken to need: its own estimate, 0 for a command agent, else by its kind."""
    if task.estimate is not None and task.estimate.tokens is not None:
        return task.estimate.tokens
    if task.command is not None:
        return 0
    agent = config.agent_named(task.agent or config.agent or "")
    if agent is not None and agent.kind is AgentKind.COMMAND:
        return 0
    return TOKEN_HINTS[task.kind]
