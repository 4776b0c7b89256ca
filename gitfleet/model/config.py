"""Settings of a repository, ``.planning/config.yaml``: every key optional, every key enforced."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from gitfleet.model.base import Document
from gitfleet.model.plan import Check, TaskKind

CONFIG_SCHEMA = "gitfleet/config/v1"


class AgentKind(StrEnum):
    """Backends that do work."""

    COMMAND = "command"


class OverlapPolicy(StrEnum):
    """What to do with overlapping tasks that nothing orders: put one later, or refuse the plan."""

    SEQUENCE = "sequence"
    ERROR = "error"


class Publish(StrEnum):
    """When records are committed to the target branch."""

    WITH_LANDING = "with-landing"
    OFF = "off"
    ALWAYS = "always"


class ViolationPolicy(StrEnum):
    """What the gate does with a run that wrote outside its scope."""

    REJECT = "reject"


class EnvironmentConfig(Document, frozen=True, kw_only=True):
    """Variables of the caller's environment that an agent may see."""

    allow: Annotated[
        tuple[str, ...], Meta(description="Names to pass on; names that look like secrets are refused.")
    ] = ()


class AgentConfig(Document, frozen=True, kw_only=True):
    """A named agent."""

    kind: AgentKind = AgentKind.COMMAND
    argv: Annotated[
        tuple[str, ...],
        Meta(
            description="Program and arguments; {prompt_file}, {worktree}, {task}, {instance} and {handoff_file} "
            "are filled in.",
            examples=[["./agent.sh", "{prompt_file}"]],
        ),
    ] = ()
    stdin: Annotated[bool, Meta(description="Give the prompt on standard input as well.")] = False
    env: EnvironmentConfig = EnvironmentConfig()


class VerifyConfig(Document, frozen=True, kw_only=True):
    """Checks that every candidate must pass before it lands, in this order."""

    commands: tuple[Check, ...] = ()


class WavesConfig(Document, frozen=True, kw_only=True):
    """How tasks are put into waves."""

    max_agents: Annotated[int, Meta(description="Agents at the same time.", ge=1, le=256)] = 3
    budget_tokens: Annotated[int, Meta(description="Sum of token hints in one wave.", ge=1)] = 750_000
    overlap: OverlapPolicy = OverlapPolicy.SEQUENCE
    rolling: Annotated[bool, Meta(description="Start a task as soon as it can, without a barrier between waves.")] = (
        False
    )


class TimeoutsConfig(Document, frozen=True, kw_only=True):
    """Default deadlines in seconds, by kind of task."""

    skill: Annotated[int, Meta(ge=1)] = 600
    research: Annotated[int, Meta(ge=1)] = 900
    build: Annotated[int, Meta(ge=1)] = 1800
    verify: Annotated[int, Meta(description="Also the default of one check.", ge=1)] = 300

    def of(self, kind: TaskKind) -> int:
        """Seconds that a task of this kind gets unless it says otherwise."""
        return {
            TaskKind.SKILL: self.skill,
            TaskKind.RESEARCH: self.research,
            TaskKind.BUILD: self.build,
            TaskKind.VERIFY: self.verify,
        }[kind]


class WorktreesConfig(Document, frozen=True, kw_only=True):
    """Where agents work."""

    root: Annotated[
        str | None, Meta(description="Directory for worktrees; `<repository>.fleet` beside it unless given.")
    ] = None
    ports: Annotated[
        int,
        Meta(
            description="First port of the blocks exported as GITFLEET_PORT_BASE, ten ports an agent.",
            ge=1024,
            le=60000,
        ),
    ] = 20000


class ScopeConfig(Document, frozen=True, kw_only=True):
    """How scopes are enforced."""

    on_violation: ViolationPolicy = ViolationPolicy.REJECT


class PlanningConfig(Document, frozen=True, kw_only=True):
    """What reaches the branch."""

    publish: Publish = Publish.WITH_LANDING


class Config(Document, frozen=True, kw_only=True, tag_field="schema", tag=CONFIG_SCHEMA):
    """Settings of a repository."""

    target: Annotated[str | None, Meta(description="Branch to land on; the current branch unless given.")] = None
    agents: Annotated[dict[str, AgentConfig], Meta(description="Agents by name.")] = field(default_factory=dict)
    agent: Annotated[str | None, Meta(description="The agent of tasks that name none.")] = None
    verify: VerifyConfig = VerifyConfig()
    waves: WavesConfig = WavesConfig()
    timeouts: TimeoutsConfig = TimeoutsConfig()
    worktrees: WorktreesConfig = WorktreesConfig()
    scope: ScopeConfig = ScopeConfig()
    planning: PlanningConfig = PlanningConfig()
    branch_prefix: Annotated[
        str, Meta(description="First part of task branches.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    ] = "fleet"
