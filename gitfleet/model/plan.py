"""The plan: which tasks exist, what each may write, and what must come before it.

These are the *normalised* structs that the program works on: aliases (``deps``, ``workspace.writable_paths``, a
``(read-only)`` suffix) are resolved, defaults applied, and every scope entry parses.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from gitfleet.model.agent_config import Effort
from gitfleet.model.base import Count, Document, PositiveInt
from gitfleet.model.budget import Budget
from gitfleet.model.retry import RetryPolicy
from gitfleet.model.worker import Labels, TaskWorkspace, Worker

PLAN_SCHEMA = "gitfleet/plan/v1"

TaskId = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$",
        description="Short name of the task, unique in the plan; it becomes part of a branch name.",
        examples=["api-auth"],
    ),
]


class TaskKind(StrEnum):
    """What sort of work a task is; it decides the default timeout and the token hint."""

    SKILL = "skill"
    RESEARCH = "research"
    BUILD = "build"
    VERIFY = "verify"


class Check(Document, frozen=True, kw_only=True):
    """A command that must exit 0, run with ``sh -c`` at the root of a worktree."""

    run: Annotated[str, Meta(description="The shell command.", examples=["pytest -q"], min_length=1)]
    name: Annotated[str, Meta(description="What messages call it; the command itself unless given.")] = ""
    timeout_seconds: Annotated[
        PositiveInt | None,
        Meta(description="Seconds before it is stopped; it is run once more, and counted as failed then."),
    ] = None
    when: Annotated[
        tuple[str, ...],
        Meta(
            description="Paths, as in a scope, of which one must have changed; else the check is skipped.",
            examples=[["src/", "!src/docs/"]],
        ),
    ] = ()

    @property
    def title(self) -> str:
        """What messages call the check."""
        return self.name or self.run


class Estimate(Document, frozen=True, kw_only=True):
    """What the author expects a task to take; used for scheduling, never reported as measured."""

    tokens: Annotated[Count | None, Meta(description="Tokens, counted against waves.budget_tokens.")] = None
    minutes: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="Minutes, used to find the longest chain.")
    ] = None


class Task(Document, frozen=True, kw_only=True):
    """One bounded piece of work for one agent, with one write scope."""

    id: TaskId
    name: Annotated[str, Meta(description="Title for people; the id unless given.")] = ""
    objective: Annotated[str, Meta(description="The purpose in one sentence, shown by inspect.")] = ""
    instructions: Annotated[str, Meta(description="What the agent is asked to do.")] = ""
    command: Annotated[
        str | None,
        Meta(description="A shell command that does the work itself, run with sh -c in the worktree."),
    ] = None
    scope: Annotated[
        tuple[str, ...],
        Meta(description="Paths the task may write; none means read-only.", examples=[["src/api/", "!src/api/gen/"]]),
    ] = ()
    reads: Annotated[tuple[str, ...], Meta(description="Paths it reads; they never conflict.")] = ()
    depends_on: Annotated[tuple[TaskId, ...], Meta(description="Tasks that must have landed before.")] = ()
    kind: TaskKind = TaskKind.BUILD
    agent: Annotated[str | None, Meta(description="A name from the config's agents.")] = None
    model: Annotated[str, Meta(description="Model for this task, in place of its agent's.")] = ""
    effort: Annotated[Effort | None, Meta(description="How hard its model is to think; by its kind unless given.")] = (
        None
    )
    verify: Annotated[tuple[Check, ...], Meta(description="Checks of this task's own result.")] = ()
    priority: Annotated[int, Meta(description="Lower goes first where order is free.")] = 0
    estimate: Estimate | None = None
    timeout_seconds: Annotated[PositiveInt | None, Meta(description="Deadline of one attempt, in seconds.")] = None
    budget: Annotated[
        Budget | None, Meta(description="What it may use over all of its attempts; beyond that as `budgets.task` says.")
    ] = None
    retry_policy: Annotated[
        RetryPolicy | None, Meta(description="What differs from the config's `retry` for this task.")
    ] = None
    retry_safe: Annotated[
        bool, Meta(description="Whether it may be done twice; false where it has effects outside its worktree.")
    ] = True
    context: Annotated[tuple[str, ...], Meta(description="Facts put into the prompt.")] = ()
    worker: Annotated[Worker | None, Meta(description="Who does it.")] = None
    workspace: Annotated[TaskWorkspace | None, Meta(description="What must be there before it starts.")] = None
    input_files: Annotated[tuple[str, ...], Meta(description="Paths that its agent is told to read first.")] = ()
    tags: Annotated[tuple[str, ...], Meta(description="Words to choose tasks by: `wave --tag`.")] = ()
    metadata: Annotated[Labels, Meta(description="Facts for people, shown by inspect.")] = field(default_factory=dict)
    expected_artifacts: Annotated[
        tuple[str, ...], Meta(description="What the attempt must leave; `log` is always met.", examples=[["log"]])
    ] = ()

    @property
    def title(self) -> str:
        """What messages call the task."""
        return self.name or self.id


class Plan(Document, frozen=True, kw_only=True, tag_field="schema", tag=PLAN_SCHEMA):
    """The document that says which tasks exist, with scopes and dependencies."""

    name: Annotated[
        str, Meta(description="Title of the plan; the session id begins with it.", examples=["auth refactor"])
    ]
    direction: Annotated[str, Meta(description="What the whole plan is for, given to every agent.")] = ""
    labels: Annotated[Labels, Meta(description="Facts about the whole plan for people, shown by inspect.")] = field(
        default_factory=dict
    )
    tasks: Annotated[tuple[Task, ...], Meta(description="The tasks, in order.", min_length=1)]

    def task(self, task_id: str) -> Task:
        """The task with this id; raises ``KeyError`` when the plan has none."""
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(task_id)
