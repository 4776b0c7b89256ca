"""What the gate said of a run, for people: each path outside its scope, why, since when, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.cli.output import Line, Table
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.evidence import GateReport
    from gitfleet.model.run import Run


def gate(report: GateReport) -> Iterator[Piece]:
    """Draw the report."""
    said = "refused" if not report.passed else "passed" if report.commits else "nothing to hold against the scope"
    yield Line(f"  gate: {said}, {plural(report.commits, 'commit')}")
    if report.fallback:
        yield Line(f"    {report.fallback}")
    if report.violations:
        yield Table(
            ("    path", "reason", "since", "became"),
            [(f"    {one.path}", one.reason, one.commit[:12] or "the merge", one.outcome) for one in report.violations],
        )
    if report.outside > len(report.violations):
        yield Line(f"    and {report.outside - len(report.violations)} more")
    if report.spilled:
        yield Line(f"    spilled to {report.spilled}")
    if report.original:
        yield Line(f"    the work as it was: {report.original}")


def way_on(run: Run) -> str:
    """Say what a person can do about a run that was refused for what it wrote."""
    reasons = {one.reason for one in run.gate.violations} if run.gate else set()
    if reasons <= {"out-of-scope", "read-only"}:
        return "to allow it, widen its scope in the plan"
    if reasons <= {"out-of-scope", "read-only", "protected", "submodule", "symlink-escape"}:
        return "to allow it, name each path in its scope"
    return "no scope allows that"
