"""How much a run changed: exact per-file counts for its record, and cheap totals while it works."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.model.evidence import FileChange
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitfleet.git.command import Git

_KINDS = {b"A": "added", b"D": "deleted", b"M": "modified", b"T": "type-changed"}
_LARGEST_COUNTED = 1 << 20


@dataclass(frozen=True, slots=True)
class FileStat:
    """One file that differs; line counts are none for binary files. ``change`` is a word of ``FileChange``."""

    path: bytes
    change: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Files and lines that differ from the base, uncommitted and untracked included."""

    files: int
    added: int
    removed: int


def numstat(git: Git, base: str, tip: str) -> list[FileStat]:
    """Every file that differs between two commits, in byte order, renames not followed; one call."""
    options = ("-r", "-z", "--raw", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-abbrev")
    fields = git.run("diff-tree", *options, base, tip).stdout.split(b"\0")
    kinds: dict[bytes, str] = {}
    found = []
    at = 0
    while at < len(fields) - 1:
        if fields[at].startswith(b":"):
            kinds[fields[at + 1]] = _KINDS.get(fields[at].rsplit(b" ", 1)[1][:1], "modified")
            at += 2
            continue
        added, removed, path = fields[at].split(b"\t", 2)
        found.append(FileStat(path, kinds.get(path, "modified"), _count(added), _count(removed)))
        at += 1
    return sorted(found, key=lambda stat: stat.path)


def file_changes(stats: Iterable[FileStat]) -> tuple[FileChange, ...]:
    """The same for a run's record."""
    return tuple(
        FileChange(path=quote_path(stat.path), change=stat.change, added=stat.added, removed=stat.removed)
        for stat in stats
    )


def totals(git: Git, root: Path, base: str) -> Totals:
    """What a worktree holds beyond a commit, for live views: two calls, no lock, nothing written.

    Binary files and files over 1 MiB count as files without lines.
    """
    diff = git.run("diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", base).stdout
    stats = [field.split(b"\t", 2) for field in diff.split(b"\0") if field]
    others = git.run("ls-files", "--others", "--exclude-standard", "-z").stdout.split(b"\0")[:-1]
    added = sum(_count(field[0]) or 0 for field in stats) + sum(_lines(os.fsencode(root), path) for path in others)
    return Totals(len(stats) + len(others), added, sum(_count(field[1]) or 0 for field in stats))


def _count(number: bytes) -> int | None:
    return None if number == b"-" else int(number)


def _lines(root: bytes, path: bytes) -> int:
    # The agent is at work: a file may be gone, grow, or be swapped for a pipe or a link between two calls.
    try:
        descriptor = os.open(root + b"/" + path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        data = os.read(descriptor, _LARGEST_COUNTED + 1)
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    if len(data) > _LARGEST_COUNTED or b"\0" in data[:8000]:
        return 0
    return data.count(b"\n") + (bool(data) and not data.endswith(b"\n"))
