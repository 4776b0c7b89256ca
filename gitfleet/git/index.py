"""The index and its lock, for moving a checkout along without the commands that would disturb a person's work.

A checkout is followed through a private copy of its index while ``index.lock`` is held, so that every git command of
a person that would write the index waits or fails with git's own words. The lock is a hard link to a file of ours:
after a crash it can be told from a person's lock, which nobody here ever removes. Git's ``read-tree`` is the one that
writes files; this module does not promise that nothing is in its way, callers find that out first.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitfleet.git.command import Completed, Git

GITLINK = 0o160000
SYMLINK = 0o120000
LOCK_WORD = b"gitfleet landing "

# Names in git's refusals, which LC_ALL=C keeps in this form.
_QUOTED = re.compile(rb"'([^']+)'")
_LISTED = re.compile(rb"^\t(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tree or an index holds for a path."""

    mode: int
    oid: str


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs between two trees; ``None`` is absence."""

    path: bytes
    old: Entry | None
    new: Entry | None

    @property
    def of_submodule(self) -> bool:
        """Whether either side is a submodule pointer, which has no content of its own on disk."""
        return any(side is not None and side.mode == GITLINK for side in (self.old, self.new))


@dataclass(frozen=True, slots=True)
class Index:
    """An index as read: merged entries, unmerged ones by stage, and paths that are left out of the checkout."""

    entries: Mapping[bytes, Entry]
    unmerged: Mapping[bytes, tuple[tuple[int, Entry], ...]]
    skipped: frozenset[bytes]


def changes(git: Git, old: str, new: str) -> list[Change]:
    """Every path that differs between two trees or commits, renames off, in git's order."""
    raw = git.run("diff-tree", "-r", "-z", "--no-renames", "--no-abbrev", "--raw", old, new, "--").stdout
    return [change for _, change in parse_raw(raw)]


def parse_raw(raw: bytes) -> Iterable[tuple[bytes, Change]]:
    """Read ``--raw -z --no-abbrev`` output; a header line of ``diff-tree --stdin`` is given with what follows it.

    A header without a change after it is not given; callers that need those read the tokens themselves.
    """
    tokens = iter(raw.split(b"\0"))
    header = b""
    for token in tokens:
        if not token:
            continue
        if not token.startswith(b":"):
            header = token
            continue
        yield header, _change(token, next(tokens))


def _change(meta: bytes, path: bytes) -> Change:
    old_mode, new_mode, old_oid, new_oid, _status = meta[1:].decode("ascii").split(" ")
    return Change(path, _side(old_mode, old_oid), _side(new_mode, new_oid))


def _side(mode: str, oid: str) -> Entry | None:
    value = int(mode, 8)
    return Entry(value, oid) if value else None


def with_index(git: Git, index: Path) -> Git:
    """The same door, with another file as the index.

    Submodules are left alone whatever the configuration says: their checkouts are repositories of their own.
    """
    return git.having("submodule.recurse=false", GIT_INDEX_FILE=str(index))


def read_index(git: Git) -> Index:
    """Read the index that ``git`` uses."""
    entries: dict[bytes, Entry] = {}
    unmerged: dict[bytes, list[tuple[int, Entry]]] = {}
    skipped: set[bytes] = set()
    for line in git.run("ls-files", "-z", "--stage", "-t").stdout.split(b"\0"):
        if not line:
            continue
        meta, path = line.split(b"\t", 1)
        tag, mode, oid, stage = meta.decode("ascii").split(" ")
        entry = Entry(int(mode, 8), oid)
        if stage != "0":
            unmerged.setdefault(path, []).append((int(stage), entry))
            continue
        entries[path] = entry
        if tag == "S":
            skipped.add(path)
    return Index(entries, {path: tuple(stages) for path, stages in unmerged.items()}, frozenset(skipped))


def copy_index(index: Path, copy: Path) -> bool:
    """Copy an index file with its mode and times; false when there is none, as after ``clone --no-checkout``.

    The modification time is part of the meaning: git takes an entry whose file is as young as the index for
    possibly changed, and a younger copy would take a person's edit of that instant for a clean file.
    """
    try:
        shutil.copy2(index, copy)
    except FileNotFoundError:
        return False
    return True


def set_entries(git: Git, entries: Iterable[tuple[bytes, Entry | None]]) -> None:
    """Put entries into the index, or take them out (``None``), whatever the disk holds."""
    listed = list(entries)
    zero = "0" * max((len(entry.oid) for _, entry in listed if entry is not None), default=40)
    # Removals first, so that a file may take the place of a directory and the other way round.
    listed.sort(key=lambda item: item[1] is not None)
    lines = [
        (f"0 {zero}" if entry is None else f"{entry.mode:o} {entry.oid}").encode() + b"\t" + path + b"\0"
        for path, entry in listed
    ]
    if lines:
        git.run("update-index", "-z", "--index-info", stdin=b"".join(lines))


def set_stages(git: Git, path: bytes, stages: Iterable[tuple[int, Entry]]) -> None:
    """Put the unmerged stages of a path back."""
    lines = [f"{entry.mode:o} {entry.oid} {stage}\t".encode() + path + b"\0" for stage, entry in stages]
    git.run("update-index", "-z", "--index-info", stdin=b"".join(lines))


def refresh(git: Git) -> None:
    """Look at the files whose times moved; without it a touched file counts as changed."""
    # Exit code 1 says that some entries need an update or are unmerged; those are read from the index afterwards.
    git.run("update-index", "-q", "--refresh", ok=(0, 1))


def differing(git: Git) -> dict[bytes, str]:
    """Paths whose file is not what the index says, with git's status letter: ``M``, ``T``, or ``D`` for missing."""
    tokens = git.run("diff-files", "-z", "--name-status", "--ignore-submodules=all").stdout.split(b"\0")
    return {tokens[i + 1]: tokens[i].decode("ascii") for i in range(0, len(tokens) - 1, 2)}


def try_move(git: Git, old: str, new: str) -> Completed:
    """Ask git whether the checkout could move between two commits; nothing is written."""
    return git.run("read-tree", "-n", "-m", "-u", old, new, ok=range(256))


def move(git: Git, old: str, new: str) -> Completed:
    """Move index and files between two commits; git checks every path before it writes the first."""
    return git.run("read-tree", "-m", "-u", old, new, ok=range(-64, 256))


def tree_with(git: Git, commit: str, entries: Iterable[tuple[bytes, Entry | None]]) -> str:
    """Write the tree of a commit with some entries replaced; ``git`` uses an index of its own for it."""
    git.run("read-tree", commit)
    set_entries(git, entries)
    return git.run("write-tree", "--missing-ok").text


def names_in(completed: Completed) -> tuple[bytes, ...]:
    """Paths that a refusal of ``read-tree`` names."""
    lines = b"\n".join(line for line in completed.stderr.split(b"\n") if not line.startswith(b"hint:"))
    return tuple(dict.fromkeys(_QUOTED.findall(lines) + _LISTED.findall(lines)))


def content_as_checked_out(git: Git, path: bytes, entry: Entry) -> bytes | None:
    """The bytes that a checkout writes for a file, filters applied; ``None`` when git cannot tell."""
    try:
        return git.run("cat-file", "--filters", b"--path=" + path, entry.oid).stdout
    except GitFailed:
        return None


@dataclass(frozen=True, slots=True)
class IndexLock:
    """``index.lock`` of one checkout, held as a link to ``source``; a value that can be rebuilt after a crash."""

    index: Path
    source: Path

    @property
    def path(self) -> Path:
        """The name that git takes before it writes the index."""
        return self.index.with_name(self.index.name + ".lock")

    def prepare(self, landing: str) -> None:
        """Write the file that the lock will be a link to."""
        with self.source.open("wb") as file:
            file.write(LOCK_WORD + landing.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def acquire(self) -> bool:
        """Take the lock, or find that it is ours already; false when somebody else has it."""
        try:
            os.link(self.source, self.path)
        except FileExistsError:
            return self.held()
        return True

    def held(self) -> bool:
        """Whether ``index.lock`` is our file: the same inode, or our words in it where a copy broke the link."""
        try:
            ours, there = self.source.stat(), os.lstat(self.path)
            if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino):
                return True
            words = self.source.read_bytes()
            return stat.S_ISREG(there.st_mode) and there.st_size == len(words) > 0 and self.path.read_bytes() == words
        except FileNotFoundError:
            return False

    def replace_index(self, copy: Path) -> None:
        """Publish a copy as the index; the lock stays."""
        descriptor = os.open(copy, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        copy.rename(self.index)
        sync_directory(self.index.parent)

    def release(self) -> None:
        """Give the lock back if it is ours; a person's lock stays."""
        if self.held():
            with suppress(FileNotFoundError):
                self.path.unlink()

    def holder(self) -> str:
        """A clause about who has the lock, for a message."""
        try:
            with self.path.open("rb") as file:
                words = file.read(200)
        except OSError:
            return "another git command"
        if words.startswith(LOCK_WORD):
            name = words.removeprefix(LOCK_WORD).split(b"\n")[0].decode("utf-8", "replace")
            return f"the gitfleet landing {name}"
        return "another git command (such as `git commit` with its editor open)"


def index_path(git_dir: Path) -> Path:
    """Where a checkout's index is; git locks and replaces what a symbolic link points to."""
    return Path(os.path.realpath(git_dir / "index"))


def sync_directory(path: Path) -> None:
    """Make renames in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
