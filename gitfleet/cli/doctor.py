"""``gitfleet doctor``: what would keep gitfleet from working here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.output import STATE_STYLES, Line
from gitfleet.errors import ExitCode
from gitfleet.model.reports import Level
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import DoctorReport


@command("doctor", examples=("gitfleet doctor", "gitfleet doctor --fix", "gitfleet doctor --json"))
@click.option("--fix", is_flag=True, help="First put right what can be put right without losing anything.")
def COMMAND(call: Call, *, fix: bool) -> int:  # noqa: N802
    """Look for what would keep gitfleet from working here, and say what to do; changes nothing without --fix.

    --fix says of each thing what it did, or why it did not. It starts no agent: `gitfleet continue` does. Exit code 4
    when something is missing without which no session can run; warnings are no failure.
    """
    from gitfleet.app.doctor.doctor import doctor  # noqa: PLC0415

    report = doctor(call.repo, fix=fix)
    call.answer(report, lambda: view(report))
    return ExitCode.DONE if report.healthy else ExitCode.ENVIRONMENT


def view(report: DoctorReport) -> Iterator[Piece]:
    """Draw the report."""
    failed = sum(1 for finding in report.findings if finding.level is Level.FAIL)
    warned = sum(1 for finding in report.findings if finding.level is Level.WARN)
    if failed:
        yield Line(f"{plural(failed, 'thing')} must be repaired before gitfleet can work here.", "bold red")
    elif warned:
        yield Line(f"gitfleet can work here; {plural(warned, 'thing')} to look at.", "bold yellow")
    else:
        yield Line("Nothing needs you: gitfleet can work here.", "bold green")
    told: set[str] = set()
    for mend in report.mends:
        word, style = ("fixed", "green") if mend.done else ("left", "yellow")
        yield Line(f"{word:<5} {mend.name}: {mend.message}", style, hang=6)
        yield from _once(mend.hint, told)
    for finding in report.findings:
        level = finding.level.value
        yield Line(f"{level:<5} {finding.name}: {finding.message}", STATE_STYLES[level] * (level != "ok"), hang=6)
        yield from _once(finding.hint, told)


def _once(hint: str, told: set[str]) -> Iterator[Line]:
    """What to do, unless an earlier line said the same."""
    if hint and hint not in told:
        told.add(hint)
        yield Line(f"      {hint}", copy=True)
