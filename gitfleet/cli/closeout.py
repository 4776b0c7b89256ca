"""``gitfleet closeout``: the checklist of a session or a run, and what mends what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command, exit_code
from gitfleet.cli.names import CLOSEOUT
from gitfleet.cli.output import Line, Table
from gitfleet.model.reports import Point
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import CloseoutReport


@command(
    "closeout",
    examples=(
        "gitfleet closeout auth-refactor-k3f9qm",
        "gitfleet closeout fleet-auth-refactor-k3f9qm-w1-a1 --json",
        "gitfleet closeout auth-refactor-k3f9qm && git push",
    ),
)
@click.argument("name", metavar="INSTANCE|SESSION", type=CLOSEOUT)
def COMMAND(call: Call, *, name: str) -> int:  # noqa: N802
    """Show whether a run or a session is done, point by point; exit code 1 where something is missing.

    Handoff present, gate passed, checks passed on the tree that landed, commit reachable from the target, claim
    released, worktree returned, usage exact or not measured. Works on the state, and on the records that landings left
    in `.planning/` of a branch, such as in a fresh clone.
    """
    from gitfleet.app.closeout import closeout  # noqa: PLC0415

    report = closeout(call.workspace(), name)
    call.answer(report, lambda: view(report))
    return exit_code(failed=not report.ok)


def view(report: CloseoutReport) -> Iterator[Piece]:
    """Draw the report, the verdict first."""
    bad = sum(1 for run in report.runs if not run.ok)
    if report.ok:
        yield Line(f"Nothing needs you: {plural(len(report.runs), 'run')} closed out.", "bold green")
    elif bad:
        yield Line(f"It needs you: {bad} of {plural(len(report.runs), 'run')} not closed out.", "bold yellow")
    else:
        yield Line("It needs you: the session is not over.", "bold yellow")
    where = "the state" if report.source == "state" else f"records on {report.source}"
    state = report.session_state.value if report.session_state else "not known to be over"
    yield Line(f"  session {report.session} ({state}), target {report.target}, from {where}")
    yield Table(
        ("task", *(point.value for point in Point), "instance"),
        [
            (run.task, *("ok" if item.ok else "MISSING" for item in run.items), run.instance or "not dispatched")
            for run in report.runs
        ],
    )
    for run in report.runs:
        for item in run.items:
            if not item.ok:
                yield Line(f"{run.task}, {item.point.value}: {item.found}", "yellow")
                if item.mend:
                    yield Line(f"  next: {item.mend}", copy=True)
    told = {(run.task, item.found) for run in report.runs for item in run.items if item.point is Point.USAGE}
    measured = sorted({found for _, found in told})
    yield Line(f"  usage: {', '.join(measured)}")
    if report.mend:
        yield Line(f"next: {report.mend}", copy=True)
