"""Bringing one checkout along after the target moved, from whatever state it was left in.

The usual case is one call of git. After a crash, or when a file changed under git's hands, every path is looked at.
What is as the new commit has it is noted in the index; what is as the old commit had it (or missing, or a written
beginning of the new content) is written; the rest is a person's and is named. Its file stays as it is while the index
gets the new entry, so that a person's next `git commit` does not take the landing back.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.git import index as git_index
from gitfleet.integrate.landing.outcome import Obstacle, Reason
from gitfleet.integrate.landing.way import Ground, parents, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitfleet.git.command import Git
    from gitfleet.git.index import Change, Entry, Index
    from gitfleet.integrate.landing.checkouts import Checkout
    from gitfleet.integrate.landing.intent import Workspace


@dataclass(frozen=True, slots=True)
class Disk:
    """How the files of the changed paths compare with the two commits; a path in neither set is something else."""

    as_old: frozenset[bytes]
    as_new: frozenset[bytes]
    missing: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What could not be brought along: obstacles for people, and the changed paths that wait for them."""

    obstacles: tuple[Obstacle, ...] = ()
    paths: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Work:
    """Every changed path in its place: noted in the index, left for git to write, or a person's."""

    marks: dict[bytes, Entry | None] = field(default_factory=dict)
    rest: dict[bytes, Change] = field(default_factory=dict)
    clear: list[bytes] = field(default_factory=list)
    restore: list[bytes] = field(default_factory=list)
    obstacles: dict[bytes, Obstacle] = field(default_factory=dict)
    paths: list[bytes] = field(default_factory=list)

    def leave(self, change: Change, obstacle: Obstacle) -> None:
        """A person's file stays; the index gets the new entry."""
        self.obstacles.setdefault(obstacle.path, obstacle)
        self.paths.append(change.path)
        self.marks[change.path] = change.new


def look(git: Git, workspace: Workspace, changes: Sequence[Change]) -> Disk:
    """Compare the files of the changed paths with both commits, in git's own eyes (filters, modes, links)."""
    old = _differing(git, workspace, "old", {change.path: change.old for change in changes})
    new = _differing(git, workspace, "new", {change.path: change.new for change in changes})
    missing = frozenset(path for differing in (old, new) for path, letter in differing.items() if letter == "D")
    return Disk(
        as_old=frozenset(change.path for change in changes if change.old is not None and change.path not in old),
        as_new=frozenset(change.path for change in changes if change.new is not None and change.path not in new),
        missing=missing,
    )


def untouched(git: Git, checkout: Checkout, workspace: Workspace, changes: Sequence[Change]) -> bool:
    """Whether git stopped before it wrote any file of the checkout."""
    disk = look(git, workspace, changes)
    for change in changes:
        if change.of_submodule:
            continue
        if change.path in disk.as_new and change.path not in disk.as_old:
            return False
        if change.old is not None and change.path in disk.missing:
            return False
        if change.new is not None and _written_part(git, checkout, change.path, change.new):
            return False
    return True


def settle(
    git: Git,
    checkout: Checkout,
    workspace: Workspace,
    new: str,
    changes: Sequence[Change],
    copy: Path,
    *,
    again: frozenset[bytes] | None = None,
) -> Leftover:
    """Move ``copy`` and the files to the commit ``new`` as far as possible, and give what is left.

    ``copy`` is a fresh copy of the checkout's index, ``again`` the paths that an earlier call left, if there was one.
    Doing it twice changes nothing.
    """
    own = git_index.with_index(checkout.git(git), copy)
    git_index.refresh(own)
    index = git_index.read_index(own)
    disk = look(checkout.git(git), workspace, changes)
    if again is not None:
        changes = _reopen(own, index, changes, again, disk)
        index = git_index.read_index(own)
    work = _sort(git, checkout, index, changes, disk)
    for path in work.clear:
        (checkout.worktree / os.fsdecode(path)).unlink()
    # Git moves no index that has unmerged paths; those of a person step aside and come back.
    aside = [path for path in index.unmerged if path not in work.marks]
    git_index.set_entries(own, [*work.marks.items(), *((path, None) for path in aside)])
    git_index.refresh(own)
    _write_rest(checkout, own, workspace, new, work)
    _restore(own, index, [*work.restore, *aside])
    return Leftover(tuple(work.obstacles.values()), tuple(work.paths))


def _write_rest(checkout: Checkout, own: Git, workspace: Workspace, new: str, work: _Work) -> None:
    """Let git write what is left to write: from the new tree with the old entries of just those paths."""
    if not work.rest:
        return
    scratch = git_index.with_index(checkout.git(own), workspace.scratch("rest"))
    between = git_index.tree_with(scratch, new, [(path, change.old) for path, change in work.rest.items()])
    answer = git_index.move(own, between, new)
    if answer.code == 0:
        return
    disk = look(checkout.git(own), workspace, list(work.rest.values()))
    refusals = {obstacle.path: obstacle for obstacle in refused(checkout.worktree, answer)}
    for path, change in work.rest.items():
        written = path in disk.as_new if change.new is not None else path in disk.missing
        if change.of_submodule or written:
            work.marks[path] = change.new
        else:
            detail = answer.error.split("\n")[0]
            work.leave(change, refusals.get(path, Obstacle(checkout.worktree, path, Reason.REFUSED, detail)))
    git_index.set_entries(own, [(path, change.new) for path, change in work.rest.items()])
    git_index.refresh(own)


def _sort(git: Git, checkout: Checkout, index: Index, changes: Sequence[Change], disk: Disk) -> _Work:
    work = _Work()
    for change in changes:
        if change.new is None:
            _sort_one(git, checkout, index, change, disk, None, work)
    # Only what really goes makes room for something else.
    going = [path for path, change in work.rest.items() if change.new is None]
    ground = Ground(checkout.worktree, going)
    for change in changes:
        if change.new is not None:
            _sort_one(git, checkout, index, change, disk, ground, work)
    for path in going:
        if any(work.marks.get(parent) is not None for parent in parents(path)):
            # A file takes this directory's place in the index although a person's files keep it on the disk.
            work.marks[path] = None
            del work.rest[path]
    return work


def _sort_one(
    git: Git, checkout: Checkout, index: Index, change: Change, disk: Disk, ground: Ground | None, work: _Work
) -> None:
    path, entry = change.path, index.entries.get(change.path)
    if path in index.unmerged or entry not in (change.old, change.new):
        work.restore.append(path)
        work.leave(change, Obstacle(checkout.worktree, path, Reason.STAGED))
    elif entry == change.new:
        work.marks[path] = change.new
    elif change.of_submodule or path in index.skipped or path in disk.as_old:
        work.rest[path] = change
    elif path in disk.as_new or (change.new is None and path in disk.missing):
        work.marks[path] = change.new
    else:
        absent = change.old is None or path in disk.missing
        blocker = ground.blocker(path) if ground is not None and absent else path
        if blocker is None:
            work.rest[path] = change
        elif change.new is not None and blocker == path and _written_part(git, checkout, path, change.new):
            work.clear.append(path)
            work.rest[path] = change
        else:
            reason = Reason.UNTRACKED if change.old is None else Reason.MODIFIED
            work.leave(change, Obstacle(checkout.worktree, blocker, reason))


def _written_part(git: Git, checkout: Checkout, path: bytes, entry: Entry) -> bool:
    """Whether the file holds a beginning of the new content and nothing else: what a killed checkout leaves.

    Such a file has no byte that the new commit does not have, so removing it loses nothing.
    """
    place = checkout.worktree / os.fsdecode(path)
    if any((checkout.worktree / os.fsdecode(parent)).is_symlink() for parent in parents(path)):
        return False
    try:
        info = place.lstat()
    except OSError:
        return False
    if not stat.S_ISREG(info.st_mode) or entry.mode in (git_index.GITLINK, git_index.SYMLINK):
        return False
    whole = git_index.content_as_checked_out(checkout.git(git), path, entry)
    if whole is None or info.st_size >= len(whole):
        return False
    with place.open("rb") as file:
        return whole.startswith(file.read(len(whole)))


def _reopen(git: Git, index: Index, changes: Sequence[Change], again: frozenset[bytes], disk: Disk) -> list[Change]:
    """Put paths that were left back to their old entry, so that they are written like any other.

    A path whose entry is not the new one any more was dealt with by a person, and one whose file is as the new
    commit has it needs nothing.
    """
    back = [
        change
        for change in changes
        if change.path in again
        and change.path not in disk.as_new
        and index.entries.get(change.path) == change.new
        and change.path not in index.unmerged
        and not (change.new is None and change.path in disk.missing)
    ]
    git_index.set_entries(git, [(change.path, change.old) for change in back])
    return back


def _restore(git: Git, index: Index, paths: Sequence[bytes]) -> None:
    entries: list[tuple[bytes, Entry | None]] = []
    for path in paths:
        if path in index.unmerged:
            entries.append((path, None))
        else:
            entries.append((path, index.entries.get(path)))
    git_index.set_entries(git, entries)
    for path in paths:
        if path in index.unmerged:
            git_index.set_stages(git, path, index.unmerged[path])


def _differing(git: Git, workspace: Workspace, name: str, entries: Mapping[bytes, Entry | None]) -> dict[bytes, str]:
    scratch = workspace.scratch(name)
    own = git_index.with_index(git, scratch)
    git_index.set_entries(own, [(path, entry) for path, entry in entries.items() if entry is not None])
    git_index.refresh(own)
    return git_index.differing(own)
