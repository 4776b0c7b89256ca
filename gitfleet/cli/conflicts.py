"""``gitfleet conflicts``: what would conflict if it were merged as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command, exit_code
from gitfleet.cli.names import BRANCH
from gitfleet.cli.output import Line, Table
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import ConflictsReport, SidesConflict

PATHS_SHOWN = 5
MATRIX = 12
"""Most sides that a matrix is drawn for; beyond that the list has to do."""


@command(
    "conflicts",
    examples=(
        "gitfleet conflicts",
        "gitfleet conflicts --with origin/main --with feature/login",
        "gitfleet conflicts --all --json",
    ),
)
@click.option(
    "--with", "extra", multiple=True, type=BRANCH, metavar="REF", help="Compare this branch, tag or commit as well."
)
@click.option("--all", "every", is_flag=True, help="Compare up to 200 unmerged branches, not only the 20 newest.")
def COMMAND(call: Call, *, extra: tuple[str, ...], every: bool) -> int:  # noqa: N802
    """Show what would conflict: agents' work in progress, waiting runs, the target, other branches.

    Uncommitted work of agents counts. Nothing is changed, and nothing is written into the repository's object store.
    The exit code is 1 where something would conflict, as with `git diff --exit-code`, else 0.
    """
    from gitfleet.app.conflicts import conflicts  # noqa: PLC0415 - start-up

    report = conflicts(call.workspace(), extra, every=every)
    call.answer(report, lambda: view(report))
    return exit_code(failed=bool(report.conflicts))


def view(report: ConflictsReport) -> Iterator[Piece]:
    """Draw the report: the answer, a matrix where it fits, then each pair with its paths."""
    compared = f"{plural(len(report.sides), 'side')} compared"
    if report.conflicts:
        pairs = plural(len(report.conflicts), "pair")
        yield Line(f"{pairs} would conflict, {compared}.", "bold yellow")
    else:
        yield Line(f"Nothing would conflict: {compared}.", "bold green")
    involved = [side.name for side in report.sides if any(side.name in {row.a, row.b} for row in report.conflicts)]
    if 2 < len(involved) <= MATRIX:
        yield from _matrix(report, involved)
    yield Table(
        ("merging", "into", "conflict", "paths"),
        [(row.b, row.a, ", ".join(row.kinds), _paths(row)) for row in report.conflicts],
    )
    yield from (Line(f"{side.name}: compared by its branch; {side.note}", "dim") for side in report.sides if side.note)
    if report.left_out:
        yield Line(f"{plural(report.left_out, 'pair')} more could conflict and {_were(report.left_out)} not merged.")
    if report.more_branches:
        more = plural(report.more_branches, "unmerged branch", "unmerged branches")
        yield Line(f"{more} not compared; --all or --with REF compares more.", "dim")


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _matrix(report: ConflictsReport, names: list[str]) -> Iterator[Piece]:
    clashing = {frozenset((row.a, row.b)) for row in report.conflicts}
    columns = ("", *(str(number) for number in range(1, len(names))))
    rows = []
    for number, name in enumerate(names, start=1):
        cells = ["x" if frozenset((name, other)) in clashing else "." for other in names[: number - 1]]
        rows.append((f"{number} {name}", *cells, *[""] * (len(columns) - 1 - len(cells))))
    yield Table(columns, rows)
    yield Line()


def _paths(row: SidesConflict) -> str:
    shown = ", ".join(row.paths[:PATHS_SHOWN])
    more = len(row.paths) - PATHS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
