"""Bringing one checkout along after the target moved, from whatever state it was left in.

The usual case is one call of git. After a crash, or when a file changed under git's hands, every path is looked at: what
is as the new commit has it is noted in the index, what is as the old commit had it (or missing, or a written beginning
of the new content) is written, and the rest is a person's and is named. Its file stays as it is while the index gets
the new entry, so that a person's next `git commit` does not take the landing back.
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


@dataclass(slots=True)
class _Sorted:
    marks: list[tuple[bytes, Entry | None]] = field(default_factory=list)
    clear: list[bytes] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)
    restore: list[bytes] = field(default_factory=list)


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
    span: tuple[str, str],
    changes: Sequence[Change],
    copy: Path,
    *,
    again: frozenset[bytes] = frozenset(),
) -> list[Obstacle]:
    """Move ``copy`` and the files as far as possible and give what is still in the way.

    ``copy`` is a fresh copy of the checkout's index, ``span`` the old and the new commit, ``again`` the paths that an
    earlier call named. Doing it twice changes nothing.
    """
    own = git_index.with_index(checkout.git(git), copy)
    git_index.refresh(own)
    disk = look(checkout.git(git), workspace, changes)
    index = git_index.read_index(own)
    if again:
        index = _reopen(own, index, changes, again, disk)
    work = _sort(git, checkout, index, changes, disk)
    root = os.fsencode(checkout.worktree)
    for path in work.clear:
        os.unlink(os.path.join(root, path))
    # Git moves no index that has unmerged paths; those of a person step aside and come back.
    aside = [path for path in index.unmerged if path not in {change.path for change in changes}]
    git_index.set_entries(own, [*work.marks, *((path, None) for path in aside)])
    git_index.refresh(own)
    answer = git_index.move(own, *span)
    if answer.code != 0:
        work.obstacles += refused(checkout.worktree, answer)
        after = look(checkout.git(git), workspace, changes)
        named = {obstacle.path for obstacle in work.obstacles}
        work.obstacles += [
            Obstacle(checkout.worktree, change.path, Reason.REFUSED)
            for change in changes
            if change.new is not None and change.path not in after.as_new and change.path not in named
        ]
        git_index.move_index_only(own, *span)
    _restore(own, index, [*work.restore, *aside])
    return work.obstacles


def _sort(git: Git, checkout: Checkout, index: Index, changes: Sequence[Change], disk: Disk) -> _Sorted:
    work = _Sorted()
    ground = Ground(checkout.worktree, [change.path for change in changes if change.new is None])
    for change in changes:
        path, entry = change.path, index.entries.get(change.path)
        if path in index.unmerged or entry not in (change.old, change.new):
            work.obstacles.append(Obstacle(checkout.worktree, path, Reason.STAGED))
            work.restore.append(path)
            work.marks.append((path, change.new))
        elif entry == change.new or change.of_submodule or path in index.skipped:
            continue
        elif path in disk.as_new:
            work.marks.append((path, change.new))
        else:
            blocker = _blocker(ground, change, disk)
            if blocker is None:
                continue
            if change.new is not None and blocker == path and _written_part(git, checkout, path, change.new):
                work.clear.append(path)
                continue
            reason = Reason.UNTRACKED if change.old is None else Reason.MODIFIED
            work.obstacles.append(Obstacle(checkout.worktree, blocker, reason))
            work.marks.append((path, change.new))
    return work


def _blocker(ground: Ground, change: Change, disk: Disk) -> bytes | None:
    if change.path in disk.as_old:
        return None
    if change.new is None:
        return None if change.path in disk.missing else change.path
    if change.old is None or change.path in disk.missing:
        return ground.blocker(change.path)
    return change.path


def _written_part(git: Git, checkout: Checkout, path: bytes, entry: Entry) -> bool:
    """Whether the file holds a beginning of the new content and nothing else: what a killed checkout leaves.

    Such a file has no byte that the new commit does not have, so removing it loses nothing.
    """
    place = os.path.join(os.fsencode(checkout.worktree), path)
    if any(os.path.islink(os.path.join(os.fsencode(checkout.worktree), parent)) for parent in parents(path)):
        return False
    try:
        info = os.lstat(place)
    except OSError:
        return False
    if not stat.S_ISREG(info.st_mode) or entry.mode in (git_index.GITLINK, git_index.SYMLINK):
        return False
    whole = git_index.content_as_checked_out(checkout.git(git), path, entry)
    if whole is None or info.st_size >= len(whole):
        return False
    with open(place, "rb") as file:
        return whole.startswith(file.read(len(whole)))


def _reopen(git: Git, index: Index, changes: Sequence[Change], again: frozenset[bytes], disk: Disk) -> Index:
    """Put paths that were in the way back to the old entry, so that they are written like any other.

    A path whose entry is not the new one any more was dealt with by a person, and one whose file is as the new
    commit has it needs nothing.
    """
    back: dict[bytes, Entry | None] = {}
    for change in changes:
        if change.path not in again or change.path in disk.as_new:
            continue
        if index.entries.get(change.path) == change.new and change.path not in index.unmerged:
            back[change.path] = change.old
    git_index.set_entries(git, back.items())
    return git_index.read_index(git) if back else index


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
