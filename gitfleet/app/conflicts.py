"""``gitfleet conflicts``: what would conflict if it were merged as it is now. Read only, with or without a session.

Compared are the targets of open sessions (else the current branch), their live runs with what is uncommitted in the
worktrees, gated runs that wait, and local branches that the target does not have, newest first and not without end.
Merges are computed with the attributes of the first target. A run whose worktree cannot be read is compared by its
branch, and the report says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.app.open import leased
from gitfleet.app.which import sessions
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.command import GitFailed
from gitfleet.git.preflight import folds_case
from gitfleet.git.refs import HEADS, Refs, short
from gitfleet.git.worktrees import locate
from gitfleet.integrate.radar.looking import look
from gitfleet.integrate.radar.predicting import Radar
from gitfleet.integrate.radar.scratch import open_scratch
from gitfleet.model.paths import quote_path
from gitfleet.model.reports import ConflictsReport, Side, SideKind, SidesConflict
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitfleet.app.workspace import Workspace
    from gitfleet.integrate.radar.scratch import Scratch
    from gitfleet.model.lease import Lease
    from gitfleet.model.run import Run

NEWEST = 20
"""Unmerged branches that are compared unless asked for all."""

MOST = 200
"""Unmerged branches that are compared at most: 20,000 pairs."""

_AT_WORK = frozenset({RunState.RUNNING, RunState.FINISHED})
_WAITING = frozenset({RunState.GATED, RunState.VERIFIED})


@dataclass(slots=True)
class _Sides:
    """Sides in their order, with the commit that stands for each; names are unique."""

    found: list[tuple[Side, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def add(self, side: Side, commit: str) -> None:
        """Take a side, unless one of that name is there."""
        if side.name not in self.names:
            self.names.add(side.name)
            self.found.append((side, commit))


def conflicts(workspace: Workspace, extra: Sequence[str] = (), *, every: bool = False) -> ConflictsReport:
    """Compare everything that is under way, and ``extra`` revisions; ``every``: up to ``MOST`` unmerged branches.

    Raises ``GitfleetError`` (``unknown-revision``, ``no-commit``).
    """
    repository = workspace.repository
    with open_scratch(repository, workspace.layout) as scratch:
        sides = _Sides()
        task_branches = _add_sessions(workspace, scratch, sides)
        first = sides.found[0][1]
        for word in extra:
            _add_named(workspace, sides, word)
        more = _add_branches(workspace, sides, first, task_branches, MOST if every else NEWEST)
        radar = Radar(scratch, fold=folds_case(repository.git))
        by_commit: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for (a, at), (b, bt) in combinations(sides.found, 2):
            by_commit.setdefault((at, bt), []).append((a.name, b.name))
        found = radar.predict(by_commit, first)
    rows = [
        SidesConflict(
            a=a,
            b=b,
            paths=tuple(map(quote_path, conflict.paths)),
            kinds=conflict.kinds,
            messages=tuple(clash.words for clash in conflict.clashes),
        )
        for pair, conflict in found.items()
        for a, b in by_commit[pair]
    ]
    order = {side.name: number for number, (side, _) in enumerate(sides.found)}
    rows.sort(key=lambda row: (order[row.a], order[row.b]))
    return ConflictsReport(
        sides=tuple(side for side, _ in sides.found),
        conflicts=tuple(rows),
        pairs=len(sides.found) * (len(sides.found) - 1) // 2,
        merged=radar.counts.merged,
        left_out=radar.counts.left_out,
        more_branches=more,
    )


def _add_sessions(workspace: Workspace, scratch: Scratch, sides: _Sides) -> set[str]:
    """Add targets, then runs; gives the branches of the runs."""
    state, refs = State(workspace.layout), Refs(workspace.repository.git)
    damaged: dict[str, GitfleetError] = {}
    open_ones = [found for found in sessions(state, damaged) if found.state is not SessionState.COMPLETED]
    for session in open_ones:
        commit = refs.read(session.target)
        if commit is not None:
            sides.add(Side(name=short(session.target), kind=SideKind.TARGET, commit=commit), commit)
    if not sides.found:
        head = refs.head()
        if head.oid is None:
            message = "There is no commit here yet, so nothing can conflict."
            raise GitfleetError(Kind.ENVIRONMENT, "no-commit", message, hint="Commit something first.")
        sides.add(Side(name=short(head.branch or "HEAD"), kind=SideKind.TARGET, commit=head.oid), head.oid)
    trees = leased(workspace.layout)
    branches: set[str] = set()
    for session in open_ones:
        try:
            runs = state.read_runs(session.id)
        except GitfleetError:
            continue  # `status` says so
        for run in runs.values():
            if run.state in _AT_WORK | _WAITING:
                branches.add(HEADS + run.branch)
                _add_run(workspace, scratch, sides, run, trees)
    return branches


def _add_run(workspace: Workspace, scratch: Scratch, sides: _Sides, run: Run, trees: Mapping[str, Lease]) -> None:
    tip = Refs(workspace.repository.git).read(HEADS + run.branch) or run.tip or run.base
    commit, note, uncommitted = tip, "", False
    if run.state in _AT_WORK:
        lease = trees.get(run.instance)
        worktree = locate(workspace.repository, Path(lease.place)) if lease is not None else None
        try:
            if worktree is None:
                note = "it has no worktree"
            else:
                seen = look(scratch, workspace.repository.git, worktree, run.instance, None)
                commit, note = seen.commit or tip, seen.note
                uncommitted = not note
        except (GitFailed, OSError) as error:
            note = f"its worktree could not be read: {error}"
    if not commit:
        return
    side = Side(
        name=f"{run.task}@{run.session}",
        kind=SideKind.RUN,
        commit=tip or commit,
        session=run.session,
        task=run.task,
        instance=run.instance,
        uncommitted=uncommitted,
        note=note,
    )
    sides.add(side, commit)


def _add_named(workspace: Workspace, sides: _Sides, word: str) -> None:
    git = workspace.repository.git
    commit = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}", ok=(0, 1, 128)).text
    if not commit:
        message = f"There is no commit called {word}."
        raise GitfleetError(Kind.USAGE, "unknown-revision", message, hint="`git branch --all` lists branches.")
    sides.add(Side(name=short(word), kind=SideKind.BRANCH, commit=commit), commit)


def _add_branches(workspace: Workspace, sides: _Sides, target: str, apart: set[str], most: int) -> int:
    """Add local branches that the target does not have, newest first; gives how many are left."""
    options = ["--sort=-committerdate", "--format=%(refname)%00%(objectname)", f"--no-merged={target}", HEADS]
    left = 0
    for line in filter(None, workspace.repository.git.run("for-each-ref", *options).text.split("\n")):
        ref, _, commit = line.partition("\0")
        if ref in apart or short(ref) in sides.names:
            continue
        if most > 0:
            sides.add(Side(name=short(ref), kind=SideKind.BRANCH, commit=commit), commit)
            most -= 1
        else:
            left += 1
    return left
