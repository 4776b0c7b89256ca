"""``gitfleet init``: look at the repository, and write a config for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.output import Block, Line, Table, is_terminal, show
from gitfleet.errors import ExitCode, GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import InitReport


@command("init", examples=("gitfleet init", "gitfleet init --yes", "gitfleet init --json"))
@click.option("--yes", is_flag=True, help="Write without asking.")
def COMMAND(call: Call, *, yes: bool) -> int:  # noqa: N802
    """Write .planning/config.yaml with the checks that were found, and say what it saw.

    Commits nothing and overwrites nothing. In a terminal it shows the config and asks first; without one it writes,
    since the files are new and can be removed.
    """
    from gitfleet.app.init import propose, write  # noqa: PLC0415

    workspace = call.workspace()
    proposal = propose(workspace)
    if not yes and not call.json and is_terminal(sys.stdin) and is_terminal(sys.stdout):
        show(_proposed(proposal))
        if not click.confirm("Write it?", default=True):
            raise GitfleetError(Kind.NEEDS_PERSON, "not-confirmed", "Nothing was written.")
    report = write(workspace, proposal)
    call.answer(report, lambda: view(report))
    return ExitCode.DONE


def view(report: InitReport) -> Iterator[Piece]:
    """Draw what was written."""
    yield Line(f"gitfleet is set up: wrote {', '.join(report.written)}.", "bold green")
    yield from _found(report)
    yield Line("Nothing was committed. Next: edit the config, commit .planning, and `gitfleet plan PLAN`.")


def _proposed(report: InitReport) -> Iterator[Piece]:
    yield Line("This would be .planning/config.yaml:", "bold")
    yield Block(report.config, "  ")
    yield from _found(report)


def _found(report: InitReport) -> Iterator[Piece]:
    yield Table(
        ("setting", "value", "because"), [(found.setting, found.value, found.because) for found in report.evidence]
    )
    yield from (Line(note) for note in report.notes)
