"""What is in the way of a landing in one checkout, by name.

Everything a person has there counts: staged, changed, deleted, untracked and ignored. Git's own dry run comes last and
decides what this module cannot see; git alone overwrites ignored files, resurrects deleted ones and names only the
first path. Between this look and the write lies the time of two git calls, as with any git command.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from typing import TYPE_CHECKING

from gitfleet.git import index as git_index
from gitfleet.integrate.landing.outcome import Obstacle, Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from gitfleet.git.command import Completed, Git
    from gitfleet.git.index import Change, Index


def obstacles(git: Git, worktree: Path, old: str, new: str, changes: Sequence[Change]) -> list[Obstacle]:
    """Everything in the way; ``git`` uses a private copy of the checkout's index, which gets refreshed."""
    git_index.refresh(git)
    index = git_index.read_index(git)
    if index.unmerged:
        return [Obstacle(worktree, path, Reason.UNMERGED) for path in index.unmerged]
    found = list(_by_index(worktree, index, changes))
    found += _by_disk(git, worktree, index, changes)
    if found:
        return found
    answer = git_index.try_move(git, old, new)
    return [] if answer.code == 0 else refused(worktree, answer)


def present(worktree: Path, changes: Sequence[Change]) -> frozenset[bytes]:
    """The changed paths at which something lies."""
    ground = Ground(worktree, ())
    return frozenset(change.path for change in changes if ground.holds(change.path))


def moved_since(worktree: Path, changes: Sequence[Change], before: frozenset[bytes]) -> list[Obstacle]:
    """What came or went since ``present`` looked; git would write over an ignored file, and bring a deleted one back.

    Without a call of git, so that little time passes between this look and the write.
    """
    found = []
    ground = Ground(worktree, [change.path for change in changes if change.new is None])
    for change in changes:
        if change.path in before:
            if change.new is not None and not ground.holds(change.path):
                found.append(Obstacle(worktree, change.path, Reason.DELETED))
        elif change.old is None:
            blocker = ground.blocker(change.path)
            if blocker is not None:
                found.append(Obstacle(worktree, blocker, Reason.UNTRACKED))
    return found


def refused(worktree: Path, answer: Completed) -> list[Obstacle]:
    """Obstacles out of git's own refusal; at least one, with its words where it names no path."""
    detail = answer.error.split("\n")[0] or f"git read-tree ended with exit code {answer.code}"
    names = git_index.names_in(answer)
    if not names:
        return [Obstacle(worktree, b"", Reason.REFUSED, detail)]
    return [Obstacle(worktree, path, Reason.REFUSED, detail) for path in names]


def _by_index(worktree: Path, index: Index, changes: Sequence[Change]) -> Iterator[Obstacle]:
    going = {change.path for change in changes if change.new is None}
    for change in changes:
        entry = index.entries.get(change.path)
        if entry not in (change.old, change.new):
            yield Obstacle(worktree, change.path, Reason.STAGED)
        elif change.old is None and entry is None:
            for parent in parents(change.path):
                if parent in index.entries and parent not in going:
                    yield Obstacle(worktree, parent, Reason.STAGED)


def _by_disk(git: Git, worktree: Path, index: Index, changes: Sequence[Change]) -> Iterator[Obstacle]:
    differing = git_index.differing(git)
    ground = Ground(worktree, [change.path for change in changes if change.new is None])
    for change in changes:
        entry = index.entries.get(change.path)
        if entry == change.new or entry != change.old:
            continue
        if change.old is None:
            blocker = ground.blocker(change.path)
            if blocker is not None:
                yield Obstacle(worktree, blocker, Reason.UNTRACKED)
        elif not change.of_submodule:
            letter = differing.get(change.path)
            if letter == "D":
                # A person who deleted what the landing deletes loses nothing by it.
                if change.new is not None:
                    yield Obstacle(worktree, change.path, Reason.DELETED)
            elif letter is not None:
                yield Obstacle(worktree, change.path, Reason.MODIFIED)


def parents(path: bytes) -> Iterator[bytes]:
    """The proper prefixes of a path at its slashes, outermost first."""
    at = path.find(b"/")
    while at != -1:
        yield path[:at]
        at = path.find(b"/", at + 1)


class Ground:
    """The files of a checkout as they lie, looked at with lstat alone: no symbolic link is ever followed.

    ``going`` are the tracked paths that the landing removes; git clears those away before it writes.
    """

    def __init__(self, worktree: Path, going: Collection[bytes]) -> None:
        """Look at nothing yet."""
        self._root = os.fsencode(worktree) + b"/"
        self._going = frozenset(going)
        self._folded: dict[str, bytes] | None = None
        self._directories: dict[bytes, bytes | bool] = {}

    def blocker(self, path: bytes) -> bytes | None:
        """What keeps ``path`` from being created; ``None`` when nothing does."""
        for parent in parents(path):
            known = self._directories.get(parent)
            if known is None:
                known = self._directories[parent] = self._passable(parent)
            if known is False:
                return None
            if isinstance(known, bytes):
                return known
        return self._occupant(path)

    def holds(self, path: bytes) -> bool:
        """Whether anything lies at ``path``."""
        return self._lstat(path) is not None

    def _passable(self, parent: bytes) -> bytes | bool:
        """Whether a parent is a directory to look into (true), leaves room (false), or is itself in the way."""
        info = self._lstat(parent)
        if info is None:
            return False
        if stat.S_ISDIR(info.st_mode):
            # Another repository's files are not ours to add to.
            return parent if parent not in self._going and self._lstat(parent + b"/.git") is not None else True
        return not self._goes(parent, info) and parent

    def _occupant(self, path: bytes) -> bytes | None:
        info = self._lstat(path)
        if info is None or self._goes(path, info):
            return None
        if not stat.S_ISDIR(info.st_mode):
            return path
        leaves = list(self._leaves(path))
        return next((leaf for leaf in leaves if leaf not in self._going), None)

    def _leaves(self, path: bytes) -> Iterator[bytes]:
        empty = True
        with os.scandir(self._root + path) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            empty = False
            below = path + b"/" + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from self._leaves(below)
            else:
                yield below
        if empty:
            yield path

    def _goes(self, path: bytes, info: os.stat_result) -> bool:
        if path in self._going:
            return not stat.S_ISDIR(info.st_mode)
        if self._folded is None:
            self._folded = {fold(going): going for going in self._going}
        other = self._folded.get(fold(path))
        if other is None:
            return False
        # Two spellings of one name are one file only where the file system folds names.
        there = self._lstat(other)
        return there is not None and (there.st_dev, there.st_ino) == (info.st_dev, info.st_ino)

    def _lstat(self, path: bytes) -> os.stat_result | None:
        try:
            return os.lstat(self._root + path)
        except (FileNotFoundError, NotADirectoryError):
            return None


def fold(path: bytes) -> str:
    """A path as a file system that ignores case and composition compares it."""
    return unicodedata.normalize("NFC", path.decode("utf-8", "surrogateescape")).casefold()
