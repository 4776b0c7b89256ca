"""What the commands that steer an open session have in common: their help, and how they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.cli.output import Line
from gitfleet.errors import ExitCode
from gitfleet.model.control import CONSEQUENCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitfleet.app.steering.control import Steered
    from gitfleet.cli.command import Call
    from gitfleet.cli.output import Piece
    from gitfleet.errors import GitfleetError
    from gitfleet.model.reports import ControlReport
    from gitfleet.model.request import Control


_HELP_COLUMNS = 66
"""What a help text of 80 columns leaves behind `Processes: ` and its margins."""


def facts(action: Control) -> str:
    """Say for the help what happens to processes, claims and worktrees."""
    what = CONSEQUENCES[action]
    rows = (("Processes", what.processes), ("Claims", what.claims), ("Worktrees", what.worktrees))
    return "\n".join(f"{name + ':':<11}{_folded(text)}" for name, text in rows)


def _folded(text: str) -> str:
    import textwrap  # noqa: PLC0415 - only help pays

    return "\n           ".join(textwrap.wrap(text, _HELP_COLUMNS))


def answer(
    call: Call, action: Control, steered: Sequence[Steered], failed: Mapping[str, GitfleetError] | None = None
) -> int:
    """Print what was done, and give the exit code: that of the first session that could not be steered, or 3.

    3 where processes could not be stopped: a person has to.
    """
    from gitfleet.model.reports import ControlReport, ErrorReport, UnsteeredSession  # noqa: PLC0415
    from gitfleet.model.reports import Steered as Row  # noqa: PLC0415

    failed = failed or {}
    what = CONSEQUENCES[action]
    report = ControlReport(
        action=action,
        sessions=tuple(
            Row(
                session=one.session.id,
                state=one.session.state,
                coordinator=one.coordinator,
                message=one.message,
                remaining=one.remaining,
                task=one.task,
                instance=one.instance,
            )
            for one in steered
        ),
        failed=tuple(
            UnsteeredSession(session=name, error=ErrorReport.of(error).error) for name, error in failed.items()
        ),
        processes=what.processes,
        claims=what.claims,
        worktrees=what.worktrees,
    )
    call.answer(report, lambda: view(report))
    if failed:
        return next(iter(failed.values())).exit_code
    return ExitCode.NEEDS_PERSON if any(one.remaining for one in steered) else ExitCode.DONE


def view(report: ControlReport) -> Iterator[Piece]:
    """Draw the answer."""
    if not (report.sessions or report.failed):
        yield Line("Nothing needs you: no session is open.", "bold green")
    for one in report.sessions:
        yield Line(one.message, "bold green")
        if one.remaining:
            yield Line(f"  Could not be stopped: {'; '.join(one.remaining)}. Their worktrees are kept.", "bold yellow")
    for other in report.failed:
        yield Line(f"{other.session}: {other.error.message}", "bold yellow")
        if other.error.hint:
            yield Line(f"  {other.error.hint}")
    if report.sessions:
        yield Line(f"  processes: {report.processes}", hang=13)
        yield Line(f"  claims:    {report.claims}", hang=13)
        yield Line(f"  worktrees: {report.worktrees}", hang=13)
