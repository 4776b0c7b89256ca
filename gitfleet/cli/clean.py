"""``gitfleet clean``: remove what closed sessions left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.output import Line, Table
from gitfleet.cli.text import size
from gitfleet.errors import ExitCode
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import CleanReport


@command("clean", examples=("gitfleet clean --dry-run", "gitfleet clean", "gitfleet clean --older-than 14d"))
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option(
    "--older-than",
    help="Only what sessions left that closed so long ago, such as 90m, 12h or 14d.",
    metavar="AGE",
)
def COMMAND(call: Call, *, dry_run: bool, older_than: str | None) -> int:  # noqa: N802
    """Remove landed task branches, pristine worktrees, logs, trash and published state of closed sessions.

    Work that did not land is never removed; what is kept is listed with the reason.
    """
    from gitfleet.app.cleaning.clean import clean  # noqa: PLC0415
    from gitfleet.cli.rescue import seconds  # noqa: PLC0415 - the one reader of ages

    report = clean(call.workspace(), dry_run=dry_run, older_than=seconds(older_than) if older_than else 0.0)
    call.answer(report, lambda: view(report))
    return ExitCode.DONE


def view(report: CleanReport) -> Iterator[Piece]:
    """Draw the report."""
    removed = sum(1 for item in report.items if item.removed)
    kept = len(report.items) - removed
    verb = "Would remove" if report.dry_run else "Removed"
    done = "would be removed" if report.dry_run else "removed"
    if not report.items:
        yield Line("Nothing to clean: no closed session left anything.", "bold")
        return
    yield Line(
        f"{verb} {plural(removed, 'thing')}, {size(report.freed_bytes)}; kept {kept}.",
        "bold",
    )
    yield Table(
        ("kind", "name", "bytes", "what"),
        [
            (
                item.kind,
                item.name,
                "-" if item.bytes is None else str(item.bytes),
                (done if item.removed else "kept") + (f": {item.reason}" if item.reason else ""),
            )
            for item in report.items
        ],
    )
