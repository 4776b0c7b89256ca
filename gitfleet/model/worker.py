"""What a task says of who does it and of where: a role, tools, and what must be there before anything starts."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.agent_config import ToolProfile
from gitfleet.model.base import Document

Labels = dict[str, str]


class Worker(Document, frozen=True, kw_only=True):
    """Who does a task."""

    role: Annotated[str, Meta(description="What its agent is told that it is.", examples=["release-triage"])] = ""
    tool_profile: Annotated[
        ToolProfile | None,
        Meta(description="Tools that it may use; without: edit, and read-only for a task without a scope."),
    ] = None
    tools: Annotated[
        tuple[str, ...],
        Meta(description="Further tools, as rules in the words of its program.", examples=[["WebSearch"]]),
    ] = ()
    capabilities: Annotated[
        tuple[str, ...], Meta(description="What its agent must have: see `agents.<name>.capabilities`.")
    ] = ()


class TaskEnvironment(Document, frozen=True, kw_only=True):
    """Variables of the caller's environment that a task needs."""

    required: Annotated[tuple[str, ...], Meta(description="Names that must be set; its agent sees them.")] = ()
    allowlist: Annotated[tuple[str, ...], Meta(description="Names that its agent sees where they are set.")] = ()


class TaskWorkspace(Document, frozen=True, kw_only=True):
    """What must be there before a task starts."""

    required_files: Annotated[
        tuple[str, ...], Meta(description="Paths that the worktree must hold, or nothing is started.")
    ] = ()
    environment: Annotated[TaskEnvironment | None, Meta(description="Variables that it needs.")] = None
