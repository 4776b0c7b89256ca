"""``gitfleet claims``: who may write what at this moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gitfleet.cli.command import Call, command
from gitfleet.cli.output import Line, Table
from gitfleet.errors import ExitCode
from gitfleet.model.reports import COORDINATOR_GONE
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import ClaimsReport


@command("claims", examples=("gitfleet claims", "gitfleet claims --json"))
def COMMAND(call: Call) -> int:  # noqa: N802
    """Show the live claims of all sessions, and those of other tools."""
    from gitfleet.app.claims import claims  # noqa: PLC0415 - start-up

    report = claims(call.workspace())
    call.answer(report, lambda: view(report))
    return ExitCode.DONE


def _clock(at: str) -> str:
    from gitfleet.model.base import seconds_of  # noqa: PLC0415

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds_of(at)))


def view(report: ClaimsReport) -> Iterator[Piece]:
    """Draw the report."""
    stale = sum(1 for claim in report.claims if claim.stale)
    if stale:
        yield Line(f"It needs you: nobody works behind {plural(stale, 'claim')}; see the hints below.", "bold yellow")
    elif report.claims or report.external:
        yield Line(
            f"Nothing needs you: {plural(len(report.claims) + len(report.external), 'claim')} held.", "bold green"
        )
    else:
        yield Line("Nothing needs you: nothing is claimed.", "bold green")
    yield Table(
        ("task", "scope", "since", "instance"),
        [(claim.task, ", ".join(claim.scope), _clock(claim.acquired), claim.instance) for claim in report.claims],
    )
    for claim in report.claims:
        if claim.stale == COORDINATOR_GONE:
            yield Line(f"{claim.task}: {claim.stale}; `gitfleet continue {claim.session}` goes on.")
        elif claim.stale:
            yield Line(f"{claim.task}: {claim.stale}; the next `gitfleet continue` or `gitfleet wave` releases it.")
    yield Table(
        ("external", "scope", "file"),
        [(claim.instance, ", ".join(claim.scope), claim.file) for claim in report.external],
    )
    yield from (Line(note) for note in report.notes)
