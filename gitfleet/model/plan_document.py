"""A plan as people write it: the aliases and shorthands that ``gitfleet.model.plan`` no longer has.

``gitfleet.store.documents.plans`` turns it into a ``Plan``. The schema of plans is generated from here, because it is
what an editor or a model that writes a plan has to satisfy.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from gitfleet.model.agent_config import Effort, ToolProfile
from gitfleet.model.base import Document, PositiveInt
from gitfleet.model.budget import Budget
from gitfleet.model.plan import Check, Estimate, TaskId, TaskKind
from gitfleet.model.retry import RetryPolicy
from gitfleet.model.worker import Labels

Strings = str | tuple[str, ...]
"""One text, or a list of them."""


class WorkerDocument(Document, frozen=True, kw_only=True):
    """Who does a task."""

    role: Annotated[str, Meta(description="What its agent is told that it is.", examples=["release-triage"])] = ""
    tool_profile: Annotated[
        ToolProfile | None,
        Meta(description="Tools that it may use; without: edit, and read-only for a task without a scope."),
    ] = None
    tools: Annotated[Strings, Meta(description="Further tools, as rules in the words of its program.")] = ()
    capabilities: Annotated[
        Strings, Meta(description="What its agent must have: see `agents.<name>.capabilities`.")
    ] = ()


class TaskEnvironmentDocument(Document, frozen=True, kw_only=True):
    """Variables of the caller's environment that a task needs."""

    required: Annotated[Strings, Meta(description="Names that must be set; its agent sees them.")] = ()
    allowlist: Annotated[Strings, Meta(description="Names that its agent sees where they are set.")] = ()


class WorkspaceDocument(Document, frozen=True, kw_only=True):
    """Where a task works, and what must be there before it starts."""

    writable_paths: Annotated[Strings, Meta(description="Another name of the task's scope.")] = ()
    required_files: Annotated[
        Strings, Meta(description="Paths that the worktree must hold, or nothing is started.")
    ] = ()
    environment: Annotated[TaskEnvironmentDocument | None, Meta(description="Variables that it needs.")] = None


class DefaultsDocument(Document, frozen=True, kw_only=True):
    """Values for every task that does not give its own."""

    agent: Annotated[str | None, Meta(description="Agent of tasks that name none and have no command.")] = None
    model: Annotated[str, Meta(description="Model of tasks that do not give theirs.")] = ""
    effort: Annotated[Effort | None, Meta(description="How hard the models of tasks that do not say are to think.")] = (
        None
    )
    timeout_seconds: Annotated[PositiveInt | None, Meta(description="Deadline of one attempt, in seconds.")] = None
    budget: Annotated[
        Budget | None, Meta(description="What each task may use that does not say; `budgets.task` for the rest.")
    ] = None
    kind: Annotated[TaskKind | None, Meta(description="Kind of tasks that do not say theirs.")] = None
    retry_policy: Annotated[RetryPolicy | None, Meta(description="What differs from the config's `retry`.")] = None
    retry_safe: Annotated[
        bool | None,
        Meta(description="Whether tasks may be done twice; false where there are effects outside the worktree."),
    ] = None


class TaskDocument(Document, frozen=True, kw_only=True):
    """One bounded piece of work for one agent, with one write scope."""

    id: TaskId
    name: Annotated[str, Meta(description="Title for people; the id unless given.")] = ""
    objective: Annotated[str, Meta(description="The purpose in one sentence, shown by inspect.")] = ""
    instructions: Annotated[
        str, Meta(description="What the agent is asked to do; required unless `command` is given.")
    ] = ""
    command: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="A shell command that does the work itself, run with sh -c in the worktree.",
            examples=["./tools/changelog.sh"],
        ),
    ] = None
    scope: Annotated[
        Strings,
        Meta(
            description="Paths the task may write; none means read-only. `path (read-only)` is one of `reads`.",
            examples=[["src/api/", "!src/api/gen/"]],
        ),
    ] = ()
    workspace: Annotated[
        WorkspaceDocument | None, Meta(description="Where the task works, and what must be there before it starts.")
    ] = None
    reads: Annotated[Strings, Meta(description="Paths it reads; they never conflict.", examples=[["src/ui/"]])] = ()
    depends_on: Annotated[
        Strings, Meta(description="Ids of tasks that must have landed before.", examples=[["api-auth"]])
    ] = ()
    deps: Annotated[Strings, Meta(description="Another name of `depends_on`.")] = ()
    kind: Annotated[
        TaskKind | None, Meta(description="Sort of work: default timeout and token hint; build unless given.")
    ] = None
    agent: Annotated[str | None, Meta(description="A name from the config's agents.")] = None
    model: Annotated[str, Meta(description="Model for this task, in place of its agent's.")] = ""
    effort: Annotated[Effort | None, Meta(description="How hard its model is to think; by its kind unless given.")] = (
        None
    )
    verify: Annotated[tuple[Check, ...], Meta(description="Checks of this task's own result.")] = ()
    priority: Annotated[int, Meta(description="Lower goes first where order is free.")] = 0
    estimate: Annotated[Estimate | None, Meta(description="What the task is expected to take.")] = None
    timeout_seconds: Annotated[PositiveInt | None, Meta(description="Deadline of one attempt, in seconds.")] = None
    budget: Annotated[
        Budget | None, Meta(description="What it may use over all of its attempts; beyond that as `budgets.task` says.")
    ] = None
    retry_policy: Annotated[
        RetryPolicy | None, Meta(description="What differs from the config's `retry` for this task.")
    ] = None
    retry_safe: Annotated[
        bool | None,
        Meta(description="Whether it may be done twice; false where there are effects outside the worktree."),
    ] = None
    context: Annotated[Strings, Meta(description="Facts put into the prompt.")] = ()
    worker: Annotated[WorkerDocument | None, Meta(description="Who does it.")] = None
    input_files: Annotated[Strings, Meta(description="Paths that its agent is told to read first.")] = ()
    tags: Annotated[Strings, Meta(description="Words to choose tasks by: `wave --tag`.")] = ()
    metadata: Annotated[Labels, Meta(description="Facts for people, shown by inspect.")] = field(default_factory=dict)
    expected_artifacts: Annotated[
        tuple[Literal["log"], ...],
        Meta(description="What the attempt must leave; `log` is always met.", examples=[["log"]]),
    ] = ()


class PlanDocument(Document, frozen=True, kw_only=True):
    """The document that says which tasks exist, with scopes and dependencies, as people write it."""

    schema: Annotated[Literal["gitfleet/plan/v1"], Meta(description="Kind and version of the document.")] = (
        "gitfleet/plan/v1"
    )
    name: Annotated[
        str,
        Meta(
            description="Title of the plan; the session id begins with it. The file's name unless given.",
            examples=["auth refactor"],
        ),
    ] = ""
    direction: Annotated[str, Meta(description="What the whole plan is for, given to every agent.")] = ""
    labels: Annotated[Labels, Meta(description="Facts about the whole plan for people, shown by inspect.")] = field(
        default_factory=dict
    )
    defaults: Annotated[DefaultsDocument, Meta(description="Values for every task that does not give its own.")] = (
        DefaultsDocument()
    )
    tasks: Annotated[tuple[TaskDocument, ...], Meta(description="The tasks, in order.", min_length=1)]
