"""Ignored files that an attempt made: what is ignored at its end and was not there, or not the same, at its start.

The start is remembered as a list of what was there, with inode, size and times, and compared for equality only: a clock
that jumps cannot make a file of the attempt look old. Without such a list everything that is ignored counts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.git.index import sync_directory
from gitfleet.git.raw_files import refused
from gitfleet.git.status import read_status
from gitfleet.git.worktrees import INSTANCE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gitfleet.git.command import Git
    from gitfleet.git.worktrees import Worktree

Wanted = Callable[[bytes], bool]
"""Whether a path is of interest; a directory is asked with a final slash: may anything below it be?"""

_LIST = "gitfleet-ignored"
_OWN = os.fsencode(INSTANCE_FILE)


@dataclass(frozen=True, slots=True)
class Found:
    """Ignored files with their sizes, and what was met on the way: repositories, and directories nobody may read."""

    files: dict[bytes, int]
    nested: tuple[bytes, ...]
    unread: tuple[bytes, ...]


def note_start(door: Git, worktree: Worktree, wanted: Wanted) -> None:
    """Remember which ignored files of interest are there before an attempt begins."""
    root = os.fsencode(worktree.path)
    found = walk(root, read_status(worktree.git(door), ignored=True).ignored, wanted)
    lines = b"".join(_facts(root, path) + b" " + path + b"\0" for path in found.files)
    temporary = worktree.git_dir / (_LIST + ".new")
    with temporary.open("wb") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(worktree.git_dir / _LIST)
    sync_directory(worktree.git_dir)


def made_since(git_dir: Path, root: bytes, ignored: Iterable[bytes], wanted: Wanted) -> Found:
    """Ignored files of interest that are not as they were at the start of the attempt.

    ``ignored`` is what git reports: files, and directories that are ignored as a whole.
    """
    found = walk(root, ignored, wanted)
    try:
        before = set((git_dir / _LIST).read_bytes().split(b"\0"))
    except OSError:
        return found
    fresh = {path: size for path, size in found.files.items() if _facts(root, path) + b" " + path not in before}
    return Found(fresh, found.nested, found.unread)


def walk(root: bytes, entries: Iterable[bytes], wanted: Wanted) -> Found:
    """Files and links of interest at or below these paths; a directory that is a repository is named, not entered."""
    files: dict[bytes, int] = {}
    nested: list[bytes] = []
    unread: list[bytes] = []
    waiting = [path for path in entries if path != _OWN]
    while waiting:
        path = waiting.pop()
        try:
            facts = os.lstat(root + b"/" + path)
        except OSError:
            continue
        if not stat.S_ISDIR(facts.st_mode):
            if (stat.S_ISREG(facts.st_mode) or stat.S_ISLNK(facts.st_mode)) and wanted(path) and not refused(path):
                files[path] = facts.st_size
        elif wanted(path + b"/"):
            waiting += _below(root, path, nested, unread)
    return Found(files, tuple(sorted(nested)), tuple(sorted(unread)))


def _below(root: bytes, path: bytes, nested: list[bytes], unread: list[bytes]) -> Iterator[bytes]:
    try:
        names = os.listdir(root + b"/" + path)  # noqa: PTH208 - any byte may be in a name
    except OSError:
        unread.append(path)
        return
    if b".git" in names:
        nested.append(path)
        return
    yield from (path + b"/" + name for name in names)


def _facts(root: bytes, path: bytes) -> bytes:
    try:
        facts = os.lstat(root + b"/" + path)
    except OSError:
        return b"gone"
    return b"%d:%d:%d:%d" % (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
