"""Agents of a config: which backend does the work, with which model, effort and permissions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document, PositiveInt


class AgentKind(StrEnum):
    """Backends that do work; ``auto`` is whichever of them has the readiest account."""

    COMMAND = "command"
    CLAUDE = "claude"
    CODEX = "codex"
    OPENCODE = "opencode"
    AUTO = "auto"


class Effort(StrEnum):
    """How hard a model is to think."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Permissions(StrEnum):
    """What an agent's own program lets it do without asking."""

    SAFE = "safe"
    BYPASS = "bypass"


class ToolProfile(StrEnum):
    """Sets of tools, mapped to each program's own rules."""

    READ_ONLY = "read-only"
    EDIT = "edit"
    FULL = "full"


class EnvironmentConfig(Document, frozen=True, kw_only=True):
    """Variables of the caller's environment that an agent may see."""

    allow: Annotated[
        tuple[str, ...], Meta(description="Names to pass on; names that look like secrets are refused.")
    ] = ()


class AgentConfig(Document, frozen=True, kw_only=True):
    """A named agent."""

    kind: Annotated[AgentKind, Meta(description="The backend that does the work.")] = AgentKind.COMMAND
    argv: Annotated[
        tuple[str, ...],
        Meta(
            description="Program and arguments of a command agent, started in the worktree and without a shell; "
            "{prompt_file}, {worktree}, {task}, {instance} and {handoff_file} are filled in, and {{ and }} are braces.",
            examples=[["./agent.sh", "{prompt_file}"]],
        ),
    ] = ()
    stdin: Annotated[bool, Meta(description="Give a command agent the prompt on standard input as well.")] = False
    model: Annotated[str, Meta(description="Model, as its program names it; that program's choice unless given.")] = ""
    effort: Annotated[
        Effort | None, Meta(description="How hard its model is to think; by the kind of the task unless given.")
    ] = None
    permissions: Annotated[
        Permissions,
        Meta(
            description="safe: what its program allows in the worktree, and nothing that it would ask for; bypass: "
            "its program asks for nothing and refuses nothing."
        ),
    ] = Permissions.SAFE
    capabilities: Annotated[
        tuple[str, ...],
        Meta(description="What it can do, in your words; tasks may ask for it.", examples=[["github", "release"]]),
    ] = ()
    account: Annotated[
        str, Meta(description="The one account that it works with, such as codex-2; any of its kind unless given.")
    ] = ""
    fallback: Annotated[
        tuple[str, ...],
        Meta(
            description="Agents that step in, in this order, where no account of this one is ready before anything is "
            "spent; one that is at capacity is waited for.",
            examples=[["codex", "opencode"]],
        ),
    ] = ()
    env: Annotated[EnvironmentConfig, Meta(description="What it sees of the caller's environment.")] = (
        EnvironmentConfig()
    )


class PlannerConfig(Document, frozen=True, kw_only=True):
    """Who makes a plan of a direction in words."""

    agent: Annotated[str | None, Meta(description="Name of the agent that plans; the default agent unless given.")] = (
        None
    )
    timeout_seconds: Annotated[
        PositiveInt, Meta(description="Seconds for each of its calls: three, and those that met a rate limit.")
    ] = 900


BUILT_IN = {kind.value: AgentConfig(kind=kind) for kind in AgentKind if kind is not AgentKind.COMMAND}
"""Agents that every config has, by the name of their program, unless it has others of these names."""
