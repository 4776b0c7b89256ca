"""``gitfleet check``: validate the documents below ``.planning``, for CI and pre-commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.cli.command import Call, command
from gitfleet.cli.output import Line
from gitfleet.errors import ExitCode
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import CheckReport


@command("check", examples=("gitfleet check", "gitfleet check --json"))
def COMMAND(call: Call) -> int:  # noqa: N802
    """Validate the documents below .planning; files of others are left alone.

    Exit code 2 when a document is invalid; every problem is on its own line.
    """
    from gitfleet.app.check import check  # noqa: PLC0415

    report = check(call.workspace())
    call.answer(report, lambda: view(report))
    return ExitCode.DONE if report.valid else ExitCode.USAGE


def view(report: CheckReport) -> Iterator[Piece]:
    """Draw the report."""
    from gitfleet.errors import Problem  # noqa: PLC0415

    seen = plural(report.documents, "document")
    if not report.documents and report.valid:
        yield Line("Nothing needs you: there is no document of gitfleet below .planning yet.", "bold green")
    elif report.valid:
        yield Line(f"Nothing needs you: {seen}, all valid.", "bold green")
    else:
        yield Line(f"{plural(len(report.problems), 'problem')} in {seen}.", "bold red")
    for found in report.problems:
        problem = Problem(
            found.document, found.path, found.message, found.expected, found.hint, found.line, found.column
        )
        yield Line(str(problem))
