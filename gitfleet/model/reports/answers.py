"""What every answer has in common, and the one that any command may give: a refusal."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.errors import GitfleetError, Kind, Problem
from gitfleet.model.base import Document


class Report(Document, frozen=True, omit_defaults=False):
    """An answer, or part of one: every field is always written."""


class PlacedProblem(Report, frozen=True, kw_only=True):
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
        """Give the report's form of a problem."""
        return cls(
            document=problem.document,
            path=problem.path,
            message=problem.message,
            expected=problem.expected,
            hint=problem.hint,
            line=problem.line,
            column=problem.column,
        )


class ErrorBody(Report, frozen=True, kw_only=True):
    """A refusal that a person can act on."""

    kind: Annotated[Kind, Meta(description="Sort of refusal; each has one exit code.")]
    code: Annotated[str, Meta(description="Stable word, such as not-a-repository.")]
    message: Annotated[str, Meta(description="A sentence.")]
    hint: Annotated[str, Meta(description="What to do next.")] = ""
    problems: Annotated[tuple[PlacedProblem, ...], Meta(description="Every placed error of a document.")] = ()


class ErrorReport(Report, frozen=True, kw_only=True):
    """What ``--json`` answers with when a command is refused; nothing else is on standard output then."""

    error: Annotated[ErrorBody, Meta(description="The refusal.")]

    @classmethod
    def of(cls, error: GitfleetError) -> ErrorReport:
        """Give the report of an error."""
        problems = tuple(PlacedProblem.of(problem) for problem in error.problems)
        return cls(
            error=ErrorBody(kind=error.kind, code=error.code, message=error.message, hint=error.hint, problems=problems)
        )
