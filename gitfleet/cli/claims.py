"""``gitfleet claims``: who may write what at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.cli.command import Call, command
from gitfleet.cli.output import Line, Table
from gitfleet.cli.text import plural
from gitfleet.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import ClaimsReport


@command("claims", examples=("gitfleet claims", "gitfleet claims --json"))
def COMMAND(call: Call) -> int:  # noqa: N802
    """Show the live claims of all sessions, and those of other tools."""
    from gitfleet.app.claims import claims  # noqa: PLC0415

    report = claims(call.workspace())
    call.answer(report, lambda: view(report))
    return ExitCode.DONE


def view(report: ClaimsReport) -> Iterator[Piece]:
    """Draw the report."""
    stale = sum(1 for claim in report.claims if claim.stale)
    if stale:
        yield Line(
            f"{plural(stale, 'claim')} without anybody behind: `gitfleet doctor` says what to do.", "bold yellow"
        )
    elif report.claims or report.external:
        yield Line(
            f"Nothing needs you: {plural(len(report.claims) + len(report.external), 'claim')} held.", "bold green"
        )
    else:
        yield Line("Nothing needs you: nothing is claimed.", "bold green")
    yield Table(
        ("instance", "session", "task", "scope", "since", "stale"),
        [
            (claim.instance, claim.session, claim.task, ", ".join(claim.scope), claim.acquired, claim.stale or "-")
            for claim in report.claims
        ],
    )
    yield Table(
        ("external", "scope", "file"),
        [(claim.instance, ", ".join(claim.scope), claim.file) for claim in report.external],
    )
    yield from (Line(note) for note in report.notes)
