"""The trees of worktrees in which agents work, as if everything in them were committed now.

Nothing of the agent's is touched: a copy of its index is used, and objects go to the scratch. Line endings and filters
apply as in the agent's own ``git add``, since that is what would be merged. What a worktree differs by, and the times
of those files, tell whether it changed since the last look; only then is it read. A file above ``LARGE`` is not read:
it counts as changed to something that nobody else has. A worktree with more than ``MANY`` changed files is not read.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.git.private_index import SETTINGS, merge_heads, private_status
from gitfleet.git.refs import zero
from gitfleet.git.worktrees import INSTANCE_FILE

if TYPE_CHECKING:
    from gitfleet.git.command import Git
    from gitfleet.git.status import Status
    from gitfleet.git.worktrees import Worktree
    from gitfleet.integrate.radar.scratch import Scratch

LARGE = 16 << 20
MANY = 5_000

_WHO = {
    f"GIT_{role}_{fact}": value
    for role in ("AUTHOR", "COMMITTER")
    # A day that is later than any commit: git's walks look at the newest first.
    for fact, value in (("NAME", "gitfleet"), ("EMAIL", "gitfleet@localhost"), ("DATE", "@4070908800 +0000"))
}


@dataclass(frozen=True, slots=True)
class Look:
    """What a worktree held: ``mark`` stands for its state, ``commit`` for its content, none before any commit.

    ``note`` says why ``commit`` is without the uncommitted work, where it is.
    """

    mark: bytes
    commit: str | None
    note: str = ""


def look(scratch: Scratch, git: Git, worktree: Worktree, name: str, last: Look | None) -> Look:
    """Give what a worktree holds; ``last`` when nothing changed since, after one git call.

    ``git`` is any door of the repository, ``name`` the worktree's own in this scratch. Raises ``GitFailed`` and
    ``OSError``.
    """
    door = scratch.door(worktree.git(git).having(*SETTINGS))
    index = scratch.indexes / name
    private, status = private_status(door, worktree, index)
    heads = merge_heads(worktree.git_dir)
    mark = _mark(worktree, status, heads)
    if last is not None and last.mark == mark:
        return last
    paths = [path for path in _paths(status) if path != os.fsencode(INSTANCE_FILE)]
    if len(paths) > MANY:
        return Look(mark, status.head, f"more than {MANY} files changed in its worktree")
    if not paths and not status.staged and status.head and not heads:
        return Look(mark, status.head)
    tree = _tree(private, worktree, paths)
    parents = [head for head in (status.head, *heads) if head]
    options = [word for parent in parents for word in ("-p", parent)]
    made = private.having(**_WHO).run("commit-tree", *options, "-m", "work in progress", tree)
    return Look(mark, made.text)


def _paths(status: Status) -> list[bytes]:
    """What differs from the index; what is staged and not changed since, the index has already."""
    return [*status.unmerged, *status.unstaged, *status.untracked]


def _mark(worktree: Worktree, status: Status, heads: list[str]) -> bytes:
    digest = hashlib.sha256(repr((status.head, heads, status.staged, status.unmerged, status.nested)).encode())
    root = os.fsencode(worktree.path)
    for path in _paths(status):
        try:
            facts = os.lstat(root + b"/" + path)
        except OSError:
            times: tuple[int, ...] = ()
        else:
            times = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino, facts.st_mode)
        digest.update(repr((path, times)).encode())
    return digest.digest()


def _tree(private: Git, worktree: Worktree, paths: list[bytes]) -> str:
    """The tree that committing these paths would make."""
    root = os.fsencode(worktree.path)
    small: list[tuple[bytes, int]] = []
    large: list[tuple[bytes, int]] = []
    for path in paths:
        try:
            size = os.lstat(root + b"/" + path).st_size
        except OSError:
            size = 0
        (large if size > LARGE else small).append((path, size))
    if small:
        lines = b"".join(path + b"\0" for path, _ in small)
        # A file that goes away or comes under our eyes is for the next look; git says 128 and has done the rest.
        private.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=lines)
    if large:
        lines = b""
        for path, size in large:
            words = b"gitfleet: not read\0" + path + b"\0%d\0" % size + os.fsencode(worktree.path)
            oid = private.run("hash-object", "-w", "--stdin", stdin=words).text
            # Without the first line a directory at the path would be in the way.
            lines += b"0 %s\t%s\0" % (zero(oid).encode(), path) + b"100644 %s\t%s\0" % (oid.encode(), path)
        private.run("update-index", "--replace", "-z", "--index-info", stdin=lines)
    return private.run("write-tree").text
