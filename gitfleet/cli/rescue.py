"""``gitfleet rescue``: the snapshots that keep work which did not land, and how it comes back."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command, group
from gitfleet.cli.names import SESSION, SNAPSHOT
from gitfleet.cli.output import Line, Table
from gitfleet.cli.text import duration, size
from gitfleet.errors import ExitCode, GitfleetError, Kind
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import (
        RescueApplyReport,
        RescuePruneReport,
        RescueReport,
        RescueShowReport,
        Snapshot,
    )

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LETTERS = {"added": "A", "modified": "M", "deleted": "D", "type-changed": "T", "ignored": "!", "staged": "S"}


@group(
    "rescue",
    examples=(
        "gitfleet rescue",
        "gitfleet rescue show fleet-auth-refactor-k3f9qm-w1-a1",
        "gitfleet rescue apply fleet-auth-refactor-k3f9qm-w1-a1/2 --to saved",
        "gitfleet rescue prune --older-than 30d",
    ),
)
@click.option("--session", type=SESSION, help="Only the snapshots of this session.")
def COMMAND(call: Call, *, session: str | None) -> int:  # noqa: N802
    """List the snapshots: what attempts left that did not land, kept until somebody prunes it.

    A snapshot holds all files of the attempt's worktree: uncommitted, untracked, and ignored ones inside its scope.
    """
    return _listed(call, session)


@command("list", examples=("gitfleet rescue list", "gitfleet rescue list --session auth-refactor-k3f9qm --json"))
@click.option("--session", type=SESSION, help="Only the snapshots of this session.")
def list_(call: Call, *, session: str | None) -> int:
    """List the snapshots, as `gitfleet rescue` alone does."""
    return _listed(call, session)


def _listed(call: Call, session: str | None) -> int:
    from gitfleet.app.rescue import listed  # noqa: PLC0415

    report = listed(call.workspace(), session)
    call.answer(report, lambda: list_view(report))
    return ExitCode.DONE


@command(
    "show",
    examples=(
        "gitfleet rescue show fleet-auth-refactor-k3f9qm-w1-a1",
        "gitfleet rescue show fleet-auth-refactor-k3f9qm-w1-a1/1 --patch",
    ),
)
@click.argument("snapshot", type=SNAPSHOT)
@click.option("--patch", is_flag=True, help="Print the difference from the base, as git writes it.")
def show(call: Call, *, snapshot: str, patch: bool) -> int:
    """Show what SNAPSHOT holds.

    SNAPSHOT is an instance or a task for its newest one, INSTANCE/N for another.
    """
    from gitfleet.app import rescue  # noqa: PLC0415

    if patch and not call.json:
        # As bytes: `git apply` takes it.
        data = rescue.patch_of(call.workspace(), snapshot)
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return ExitCode.DONE
    report = rescue.show(call.workspace(), snapshot, patch=patch)
    call.answer(report, lambda: show_view(report))
    return ExitCode.DONE


@command(
    "apply",
    examples=(
        "gitfleet rescue apply fleet-auth-refactor-k3f9qm-w1-a1 --to saved",
        "gitfleet rescue apply fleet-auth-refactor-k3f9qm-w1-a1/2 --into /tmp/saved",
    ),
)
@click.argument("snapshot", type=SNAPSHOT)
@click.option("--to", metavar="BRANCH", help="Make this branch, which must be new, with all the snapshot's files.")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the files into this directory, which must be new or empty.",
)
def apply(call: Call, *, snapshot: str, to: str | None, into: Path | None) -> int:
    """Bring back what SNAPSHOT holds, on a branch or in a directory.

    Branch and directory must be new, and no checkout is touched. Ignored files come along. The branch holds every byte
    as it was; `git switch` then applies filters and line endings as to any file, so --into is the way to exactly the
    bytes that were on disk.
    """
    from gitfleet.app import rescue  # noqa: PLC0415

    if to is None and into is None:
        message = "Say where: --to BRANCH, --into DIR, or both."
        raise click.UsageError(message)
    directory = Path(os.path.abspath(into)) if into is not None else None  # noqa: PTH100 - links stay as named
    report = rescue.apply(call.workspace(), snapshot, branch=to, directory=directory)
    call.answer(report, lambda: apply_view(report))
    return ExitCode.DONE


@command(
    "prune",
    examples=("gitfleet rescue prune --older-than 30d --dry-run", "gitfleet rescue prune --older-than 2w --yes"),
)
@click.option("--older-than", required=True, metavar="AGE", help="Such as 90m, 12h, 30d or 8w.")
@click.option("--session", type=SESSION, help="Only the snapshots of this session.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
def prune(call: Call, *, older_than: str, session: str | None, dry_run: bool, yes: bool) -> int:
    """Delete snapshots that are older than AGE, after asking.

    Without a terminal it needs --yes. Nothing else ever deletes a snapshot.
    """
    from gitfleet.app import rescue  # noqa: PLC0415
    from gitfleet.cli.consent import consent  # noqa: PLC0415

    workspace = call.workspace()
    going = rescue.old(workspace, seconds(older_than), session)
    if going and not dry_run:
        if not call.json:
            would = rescue.prune(workspace, going, dry_run=True)
            call.answer(would, lambda: prune_view(would))
        consent(yes=yes, ask=not call.json, question="Delete them for good?", nothing="nothing was deleted")
    report = rescue.prune(workspace, going, dry_run=dry_run)
    call.answer(report, lambda: prune_view(report))
    return ExitCode.DONE


for _part in (list_, show, apply, prune):
    COMMAND.add_command(_part)


def seconds(age: str) -> float:
    """Read an age; raises ``GitfleetError`` (``usage``)."""
    match = re.fullmatch(r"(\d{1,6})([mhdw])", age.strip())
    if match is None:
        raise GitfleetError(
            Kind.USAGE, "usage", f"{age} is not an age.", hint="Write a number and m, h, d or w, such as 30d."
        )
    return int(match[1]) * _UNITS[match[2]]


def list_view(report: RescueReport) -> Iterator[Piece]:
    """Draw the list."""
    if not report.snapshots:
        yield Line("No snapshots: no attempt left work that did not land.", "bold")
        return
    count = plural(len(report.snapshots), "snapshot")
    yield Line(f"{count}, {size(report.bytes)}; each stays until it is pruned.", "bold")
    yield _table(report.snapshots)
    yield Line("look into one: gitfleet rescue show INSTANCE/N", copy=True)
    yield Line("bring one back: gitfleet rescue apply INSTANCE/N --to BRANCH", copy=True)


def show_view(report: RescueShowReport) -> Iterator[Piece]:
    """Draw one snapshot."""
    row = report.snapshot
    yield Line(f"{row.instance}/{row.number}: {plural(len(report.files), 'file')}, {size(row.bytes)}", "bold")
    facts = [
        ("reason", row.reason),
        ("taken", f"{row.taken} ({duration(row.age_seconds)} ago)" if row.taken else ""),
        ("session", row.session),
        ("task", f"{row.task}, attempt {row.attempt}" if row.attempt else row.task),
        ("base", row.base),
        ("worktree at", row.head if row.head != row.base else ""),
        ("ref", row.ref),
    ]
    for name, value in facts:
        if value:
            yield Line(f"  {name + ':':<14}{value}", hang=14)
    yield Table(
        ("  ", "bytes", "path"),
        [
            (f"  {_LETTERS[file.change]}", "-" if file.bytes is None else str(file.bytes), file.path)
            for file in report.files
        ],
    )
    yield Line("A added, M modified, D deleted, T changed its type, ! ignored by git, S staged and not in the file")
    for title, items in (
        ("left out for its size", row.cut),
        ("could not be read", row.gaps),
        ("not in it, a repository of its own", row.nested),
    ):
        yield from (Line(f"{title}: {item}", "yellow") for item in items)
    if report.patch is not None:
        yield Line(report.patch)
    name = f"{row.instance}/{row.number}"
    yield Line(f"bring it back: gitfleet rescue apply {name} --to BRANCH", copy=True)


def apply_view(report: RescueApplyReport) -> Iterator[Piece]:
    """Say where the content is."""
    name = f"{report.snapshot.instance}/{report.snapshot.number}"
    if report.branch is not None:
        yield Line(f"{name} is on the new branch {report.branch}, at {(report.commit or '')[:12]}.", "bold")
        yield Line(f"look at it: git switch {shlex.quote(report.branch)}", copy=True)
        if report.snapshot.base:
            yield Line(f"or: git diff {report.snapshot.base[:12]} {shlex.quote(report.branch)}", copy=True)
        yield Line("A checkout applies filters and line endings; --into DIR writes exactly the bytes that were there.")
    if report.directory is not None:
        yield Line(f"{name} is in {report.directory}: {plural(report.files or 0, 'file')}, byte for byte.", "bold")
    for item in (*report.snapshot.cut, *report.snapshot.gaps, *report.snapshot.nested):
        yield Line(f"not in the snapshot: {item}", "yellow")


def prune_view(report: RescuePruneReport) -> Iterator[Piece]:
    """Draw what goes."""
    if not report.removed:
        yield Line(f"Nothing to prune: none of {plural(report.kept, 'snapshot')} is that old.", "bold")
        return
    verb = "Would delete" if report.dry_run else "Deleted"
    yield Line(f"{verb} {plural(len(report.removed), 'snapshot')} ({size(report.bytes)}); {report.kept} stay.", "bold")
    yield _table(report.removed)


def _table(rows: tuple[Snapshot, ...]) -> Table:
    return Table(
        ("instance", "n", "reason", "bytes", "age", "files", "left out"),
        [
            (
                row.instance,
                str(row.number),
                row.reason or "-",
                "-" if row.bytes is None else str(row.bytes),
                duration(row.age_seconds),
                "-" if row.files is None else str(row.files),
                _left_out(row),
            )
            for row in rows
        ],
    )


def _left_out(row: Snapshot) -> str:
    names = (*row.gaps, *row.nested, *row.cut)
    if not names:
        return "-"
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
