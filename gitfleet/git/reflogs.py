"""Who moved a ref last, as far as reflogs tell.

What moves a branch from the worktree that it is checked out in is in the log of that worktree's HEAD as well.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TAIL = 1 << 16
"""How far back is looked, in bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One move: ``line`` has who did it and when as well, and is the same in every log that the move is in."""

    line: str
    new: str
    message: str


def last_entry(common_dir: Path, ref: str) -> Entry | None:
    """The last move that the log of a ref tells of; none where it has no log, as a ref that was deleted."""
    return next(_entries(common_dir / "logs" / ref), None)


def is_moved_in(common_dir: Path, entry: Entry, *, without: Path) -> bool:
    """Whether a move is also in the log of a worktree's HEAD, other than of worktrees below ``without``."""
    heads = [common_dir / "logs" / "HEAD"]
    for git_dir in (common_dir / "worktrees").glob("*"):
        with suppress(OSError):
            if not os.fsdecode((git_dir / "gitdir").read_bytes()).startswith(f"{without}/"):
                heads.append(git_dir / "logs" / "HEAD")
    return any(one.line == entry.line for head in heads for one in _entries(head))


def _entries(path: Path) -> Iterator[Entry]:
    """The entries at the end of a log, the newest first."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return
    for line in reversed(lines):
        text = line.decode("utf-8", "surrogateescape")
        facts, _, message = text.partition("\t")
        words = facts.split(" ", 2)
        if len(words) > 2:
            yield Entry(text, words[1], message)
