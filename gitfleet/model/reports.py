"""What commands answer with: the documents behind ``--json``, and what the terminal views are drawn from."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.errors import GitfleetError, Kind, Problem
from gitfleet.model.base import Document
from gitfleet.model.session import Reversibility


class PlacedTask(Document, kw_only=True):
    """A task in a wave, with the reason for its place."""

    task: str
    name: str = ""
    agent: str = "command"
    scope: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    tokens: Annotated[int, Meta(description="Token hint that counts against the wave's budget.")] = 0
    reason: Annotated[str, Meta(description="Why the task is in this wave and not an earlier one.")] = ""


class PlacedWave(Document, kw_only=True):
    """Tasks that may run at the same time."""

    number: int
    tasks: tuple[PlacedTask, ...]


class Disclosure(Document, kw_only=True):
    """What will happen, said before anything is spawned."""

    plan: str
    direction: str = ""
    agents: Annotated[int, Meta(description="Agents in all.")]
    max_agents: Annotated[int, Meta(description="Agents at the same time.")]
    waves: tuple[PlacedWave, ...]
    rolling: bool = False
    target: Annotated[str, Meta(description="Full ref name that the session lands on.")]
    creates_target: Annotated[bool, Meta(description="Whether the target branch is made by this session.")] = False
    base: str
    checks: tuple[str, ...] = ()
    commands: Annotated[tuple[str, ...], Meta(description="Commands from plan and config that will run.")] = ()
    budget_tokens: int = 0
    permissions: Annotated[str, Meta(description="What agents may do on this machine.")] = ""
    reversibility: Reversibility
    worktrees: Annotated[str, Meta(description="Directory that worktrees are made in.")] = ""
    notes: Annotated[tuple[str, ...], Meta(description="Things a person should know, such as a target behind its upstream.")] = ()


class AgentProgress(Document, kw_only=True):
    """One run while it is in flight; unknown values are none, never zero."""

    instance: str
    task: str
    state: str
    elapsed_seconds: float
    last_activity_seconds: Annotated[float | None, Meta(description="Since its last output.")] = None
    files: int | None = None
    added: int | None = None
    removed: int | None = None


class Progress(Document, kw_only=True):
    """A session at one moment, for live views."""

    session: str
    wave: int
    waves: int
    done: Annotated[int, Meta(description="Runs of this wave that are sealed or wait to be integrated.")]
    total: Annotated[int, Meta(description="Runs of this wave.")]
    activity: Annotated[str, Meta(description="What the coordinator itself does, such as `verify: pytest -q`.")] = ""
    agents: tuple[AgentProgress, ...] = ()


class PlacedProblem(Document, kw_only=True):
    """One thing wrong with one place of one document."""

    document: Annotated[str, Meta(description="File, or what stands for it.")]
    path: Annotated[str, Meta(description="Place in the data, such as `tasks[2].scope[0]`.")] = ""
    message: Annotated[str, Meta(description="What is wrong.")]
    expected: Annotated[str, Meta(description="What would be right.")] = ""
    hint: Annotated[str, Meta(description="What to do.")] = ""
    line: Annotated[int | None, Meta(description="Line, from 1; none where the format has no positions.")] = None
    column: Annotated[int | None, Meta(description="Column, from 1.")] = None

    @classmethod
    def of(cls, problem: Problem) -> PlacedProblem:
        """Make the report's form of a problem."""
        return cls(
            document=problem.document,
            path=problem.path,
            message=problem.message,
            expected=problem.expected,
            hint=problem.hint,
            line=problem.line,
            column=problem.column,
        )


class ErrorBody(Document, kw_only=True):
    """A refusal that a person can act on."""

    kind: Annotated[Kind, Meta(description="Sort of refusal; each has one exit code.")]
    code: Annotated[str, Meta(description="Stable word, such as not-a-repository.")]
    message: Annotated[str, Meta(description="A sentence.")]
    hint: Annotated[str, Meta(description="What to do next.")] = ""
    problems: Annotated[tuple[PlacedProblem, ...], Meta(description="Every placed error of a document.")] = ()


class ErrorReport(Document, kw_only=True):
    """What ``--json`` answers with when a command is refused."""

    error: Annotated[ErrorBody, Meta(description="The refusal.")]

    @classmethod
    def of(cls, error: GitfleetError) -> ErrorReport:
        """Make the report of an error."""
        problems = tuple(PlacedProblem.of(problem) for problem in error.problems)
        return cls(
            error=ErrorBody(kind=error.kind, code=error.code, message=error.message, hint=error.hint, problems=problems)
        )


class CheckReport(Document, kw_only=True):
    """What ``gitfleet check`` found in ``.planning/``."""

    documents: Annotated[int, Meta(description="Documents of gitfleet that were checked.", ge=0)] = 0
    alien: Annotated[int, Meta(description="Files of others, which are left alone.", ge=0)] = 0
    problems: Annotated[tuple[PlacedProblem, ...], Meta(description="Everything that is wrong.")] = ()

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
