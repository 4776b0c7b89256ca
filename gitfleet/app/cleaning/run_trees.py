"""Worktrees that runs of closed sessions left, and those in which their candidates were checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitfleet.app.attempt_files import working
from gitfleet.app.cleaning.sizes import bytes_of
from gitfleet.app.open import instances
from gitfleet.model.paths import quote_path
from gitfleet.model.reports import CleanItem
from gitfleet.model.run import RunState
from gitfleet.store import locks
from gitfleet.store.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitfleet.app.workspace import Workspace
    from gitfleet.git.command import Git
    from gitfleet.git.worktrees import Worktree
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session


class RunTrees:
    """Removes them, or with ``dry_run`` only says which."""

    def __init__(self, workspace: Workspace, *, dry_run: bool) -> None:
        """Work on one repository."""
        self._workspace = workspace
        self._git = workspace.repository.git
        self._dry_run = dry_run

    def of_runs(self, runs: Mapping[str, Run]) -> Iterator[CleanItem]:
        """Take away the trees of runs that hold nothing which is not on a ref."""
        from gitfleet.git import collect, worktrees  # noqa: PLC0415

        repository = self._workspace.repository
        placed = instances(self._workspace)
        for run in runs.values():
            path = placed.get(run.instance)
            worktree = worktrees.locate(repository, path) if path is not None else None
            if path is None or worktree is None:
                continue
            reasons = collect.untidy(self._git, worktree, ignored=run.state is not RunState.LANDED)
            if run.state is RunState.LANDED:
                reasons += self._own_ignored(worktree.git(self._git), run)
            if working(self._workspace.layout, run):
                reasons = ("its agent has not ended", *reasons)
            if reasons:
                yield CleanItem(kind="worktree", name=str(path), removed=False, reason="; ".join(reasons))
                continue
            yield self._retire(worktree)

    def of_integration(self, session: Session, runs: Mapping[str, Run]) -> Iterator[CleanItem]:
        """Take away the tree that candidates were checked in; what git ignores there was made by checks.

        Its HEAD is a throw-away commit of ours that no ref holds. That is no work where its tree is one that the
        records name as checked; any other commit there is somebody's and stays.
        """
        from gitfleet.git import collect, worktrees  # noqa: PLC0415

        for entry in worktrees.entries(self._workspace.repository):
            if entry.path.name != f"fleet-{session.id}-integration":
                continue
            worktree = worktrees.locate(self._workspace.repository, entry.path)
            if worktree is None or not entry.path.exists():
                continue
            reasons = collect.untidy(self._git, worktree, ignored=False)
            checked = {run.verification.tree for run in runs.values() if run.verification}
            if (
                self._git.run("rev-parse", "--verify", "--quiet", f"{entry.head}^{{tree}}", ok=(0, 1, 128)).text
                in checked
            ):
                reasons = tuple(reason for reason in reasons if not reason.startswith("detached HEAD"))
            if reasons:
                yield CleanItem(kind="worktree", name=str(entry.path), removed=False, reason="; ".join(reasons))
            else:
                yield self._retire(worktree)

    def _retire(self, worktree: Worktree) -> CleanItem:
        from gitfleet.git import worktrees  # noqa: PLC0415
        from gitfleet.git.pool_root import trash_of  # noqa: PLC0415

        path = worktree.path
        size = bytes_of(path)
        if not self._dry_run:
            trash = trash_of(path.parent)
            lock = locks.worktrees_lock(self._workspace.layout, command="gitfleet clean")
            worktrees.retire(self._workspace.repository, worktree, trash, lock)
            with locks.worktrees_lock(self._workspace.layout, command="gitfleet clean") as proof:
                Leases(self._workspace.layout).drop(proof, path.name)
            worktrees.empty_trash(trash)
        return CleanItem(kind="worktree", name=str(path), bytes=size, removed=True)

    def _own_ignored(self, git: Git, run: Run) -> tuple[str, ...]:
        """List ignored files that a landed run may have made: those in its scope; others are caches of tools."""
        from gitfleet.git.status import read_status  # noqa: PLC0415
        from gitfleet.planner.scopes import Scope, overlap  # noqa: PLC0415

        scope = Scope.parse(run.scope)
        return tuple(
            f"ignored: {quote_path(path)}"
            for path in read_status(git, ignored=True).ignored
            if overlap(Scope.parse([_escaped(path)]), scope) is not None
        )


def _escaped(path: bytes) -> str:
    """Write a path as a scope entry that matches it and what is below, and nothing else."""
    return quote_path(re.sub(rb"([*?\\\\])", rb"\\\1", path))
