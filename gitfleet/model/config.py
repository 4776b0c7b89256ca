"""Settings of a repository, ``.planning/config.yaml``: every key optional, every key enforced."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from gitfleet.model.agent_config import BUILT_IN, AgentConfig, AgentKind, PlannerConfig
from gitfleet.model.base import Document
from gitfleet.model.budget import BudgetsConfig
from gitfleet.model.plan import TaskKind
from gitfleet.model.radar import RadarConfig
from gitfleet.model.retry import RetryConfig
from gitfleet.model.trees_config import PoolConfig, WorktreesConfig
from gitfleet.model.verify_config import VerifyConfig

CONFIG_SCHEMA = "gitfleet/config/v1"


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
    SPILL = "spill"
    EXTEND = "extend"


class StallPolicy(StrEnum):
    """What becomes of an agent that shows no life for ``timeouts.stall``."""

    WARN = "warn"
    INTERRUPT = "interrupt"
    RESTART = "restart"


class ConflictPolicy(StrEnum):
    """What becomes of a run that cannot be merged."""

    REQUEUE = "requeue"
    RESOLVER = "resolver"
    HOLD = "hold"


class NotifyOn(StrEnum):
    """What a person who is not looking can be told of."""

    NEEDS_PERSON = "needs-person"
    END = "end"
    FAILED = "failed"


class WavesConfig(Document, frozen=True, kw_only=True):
    """How tasks are put into waves."""

    max_agents: Annotated[int, Meta(description="Agents at the same time.", ge=1, le=256)] = 3
    budget_tokens: Annotated[
        int, Meta(description="Most that the token hints of one wave may sum up to; hints are not measured.", ge=1)
    ] = 750_000
    overlap: Annotated[
        OverlapPolicy,
        Meta(description="Overlapping tasks that nothing orders: put one into a later wave, or refuse the plan."),
    ] = OverlapPolicy.SEQUENCE
    rolling: Annotated[bool, Meta(description="Start a task as soon as it can, without a barrier between waves.")] = (
        False
    )


class TimeoutsConfig(Document, frozen=True, kw_only=True):
    """Default deadlines in seconds, by kind of task."""

    skill: Annotated[int, Meta(description="Seconds for a task of kind skill.", ge=1)] = 600
    research: Annotated[int, Meta(description="Seconds for a task of kind research.", ge=1)] = 900
    build: Annotated[int, Meta(description="Seconds for a task of kind build, which is the default kind.", ge=1)] = 1800
    setup: Annotated[int, Meta(description="Seconds for each command of worktrees.setup.", ge=1)] = 600
    verify: Annotated[
        int, Meta(description="Seconds for a task of kind verify, and for a check that does not say.", ge=1)
    ] = 300
    stall: Annotated[
        int,
        Meta(
            description="Seconds without output, events, CPU, children and file changes: then an agent is silent.",
            ge=1,
        ),
    ] = 300

    def of(self, kind: TaskKind) -> int:
        """Seconds that a task of this kind gets unless it says otherwise."""
        return {
            TaskKind.SKILL: self.skill,
            TaskKind.RESEARCH: self.research,
            TaskKind.BUILD: self.build,
            TaskKind.VERIFY: self.verify,
        }[kind]


class ScopeConfig(Document, frozen=True, kw_only=True):
    """How scopes are enforced."""

    on_violation: Annotated[
        ViolationPolicy,
        Meta(
            description="A run that wrote outside of its scope. reject: nothing of it lands; spill: what is in scope "
            "goes on, the rest is kept on a branch of its own; extend: its claim grows by what nobody holds."
        ),
    ] = ViolationPolicy.REJECT
    protected: Annotated[
        tuple[str, ...],
        Meta(
            description="Paths that a task may change only where its scope names them literally: entries of a scope, "
            "or @ci, @locks and @checks (the tracked scripts that commands of checks name).",
            examples=[["@ci", "@locks", "@checks", "deploy/"]],
        ),
    ] = ("@ci", "@locks", "@checks")


class PlanningConfig(Document, frozen=True, kw_only=True):
    """What reaches the branch."""

    publish: Annotated[
        Publish,
        Meta(
            description="with-landing: records ride on landings; always: a session that closes without a landing "
            "commits its records alone; off: nothing is published."
        ),
    ] = Publish.WITH_LANDING


class NotifyConfig(Document, frozen=True, kw_only=True):
    """How a person who is not looking is told."""

    bell: Annotated[bool, Meta(description="Ring the terminal's bell, when gitfleet runs in one.")] = True
    osc9: Annotated[
        bool, Meta(description="Send the terminal a desktop notice (OSC 9), when gitfleet runs in one.")
    ] = True
    commands: Annotated[
        tuple[str, ...],
        Meta(
            description="Commands to run with sh -c, for at most ten seconds each; GITFLEET_EVENT, GITFLEET_SESSION, "
            "GITFLEET_MESSAGE and GITFLEET_EXIT say what happened. What they do never changes a session.",
            examples=[['notify-send "$GITFLEET_MESSAGE"']],
        ),
    ] = ()
    on: Annotated[
        tuple[NotifyOn, ...],
        Meta(
            description="needs-person: the session stopped and waits; end: it is over; failed: a run ended without a "
            "landing."
        ),
    ] = (NotifyOn.NEEDS_PERSON, NotifyOn.END)


class Config(Document, frozen=True, kw_only=True, tag_field="schema", tag=CONFIG_SCHEMA):
    """Settings of a repository."""

    target: Annotated[str | None, Meta(description="Branch to land on; the current branch unless given.")] = None
    agents: Annotated[dict[str, AgentConfig], Meta(description="Agents by name.")] = field(default_factory=dict)
    agent: Annotated[str | None, Meta(description="The agent of tasks that name none.")] = None
    planner: Annotated[PlannerConfig, Meta(description="Who makes a plan of a direction in words.")] = PlannerConfig()
    verify: Annotated[VerifyConfig, Meta(description="What every candidate must pass.")] = VerifyConfig()
    waves: Annotated[WavesConfig, Meta(description="How tasks are put into waves.")] = WavesConfig()
    budgets: Annotated[BudgetsConfig, Meta(description="What agents may use.")] = BudgetsConfig()
    timeouts: Annotated[TimeoutsConfig, Meta(description="Default deadlines.")] = TimeoutsConfig()
    retry: Annotated[RetryConfig, Meta(description="When a failed attempt is made again.")] = RetryConfig()
    stall: Annotated[
        StallPolicy,
        Meta(
            description="What becomes of a silent agent: warn tells and leaves it, interrupt sends it what Ctrl-C "
            "sends, restart ends it and starts the task again."
        ),
    ] = StallPolicy.WARN
    worktrees: Annotated[WorktreesConfig, Meta(description="Where agents work.")] = WorktreesConfig()
    pool: Annotated[PoolConfig, Meta(description="What stays in a worktree that changes hands.")] = PoolConfig()
    scope: Annotated[ScopeConfig, Meta(description="How scopes are enforced.")] = ScopeConfig()
    conflict: Annotated[
        ConflictPolicy,
        Meta(
            description="What becomes of a run that conflicts with the target: requeue does it again on what the "
            "target is then, resolver has its agent resolve just that, both within `retry`; hold leaves it to "
            "`gitfleet resolve`, as the others do in the end."
        ),
    ] = ConflictPolicy.REQUEUE
    radar: Annotated[RadarConfig, Meta(description="Looking ahead for conflicts while agents run.")] = RadarConfig()
    planning: Annotated[PlanningConfig, Meta(description="What reaches the branch.")] = PlanningConfig()
    notify: Annotated[NotifyConfig, Meta(description="How a person who is not looking is told.")] = NotifyConfig()
    fixture: Annotated[
        bool,
        Meta(
            description="Let a script that spends nothing and changes nothing take the place of every agent: a proof "
            "that accounts, worktrees and agents' processes work here. `wave --fixture` sets it."
        ),
    ] = False
    branch_prefix: Annotated[
        str,
        Meta(
            description="First part of task branches, as in fleet/<session>/<task>.",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        ),
    ] = "fleet"

    def agent_named(self, name: str) -> AgentConfig | None:
        """The agent of this name: one of the config's own, else one of those that every config has."""
        return self.agents.get(name) or BUILT_IN.get(name)

    def stages(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Names of the agents that may do what is meant for one of this name: it is tried by stages, fallbacks last.

        Within a stage the readiest does it. ``auto`` stands for the agents with a model that the config itself has,
        and for those that every config has where it has none.
        """
        agent = self.agent_named(name)
        names = (name, *(agent.fallback if agent else ()))
        return tuple(tuple(self._alike(one)) for one in dict.fromkeys(names))

    def _alike(self, name: str) -> list[str]:
        agent = self.agent_named(name)
        if agent is None or agent.kind is not AgentKind.AUTO:
            return [name]
        own = [other for other, of in self.agents.items() if of.kind not in {AgentKind.COMMAND, AgentKind.AUTO}]
        return own or [other for other, of in BUILT_IN.items() if of.kind is not AgentKind.AUTO]
