"""Which files of a directory changed since somebody looked: a stamp for each, without reading any.

It holds for files that are only ever replaced whole by another, as the state's are.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gitfleet.store.files import is_temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Stamp: TypeAlias = tuple[int, int, int]
"""What tells one content of a file from the next: inode, time of the last write, size."""


def walk(directory: Path) -> Iterator[tuple[str, Stamp]]:
    """Files below a directory with their stamps, without unfinished writes and what goes away meanwhile."""
    try:
        with os.scandir(directory) as found:
            entries = [entry for entry in found if not is_temporary(entry.name)]
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir():
            yield from walk(Path(entry.path))
    yield from stamped(entry for entry in entries if not entry.is_dir())


def stamped(files: Iterable[os.PathLike[str]]) -> Iterator[tuple[str, Stamp]]:
    """Files with their stamps, without what went away meanwhile."""
    for file in files:
        with suppress(FileNotFoundError):
            facts = os.stat(file)  # noqa: PTH116 - of a directory's entry as well as of a path
            yield os.fspath(file), (facts.st_ino, facts.st_mtime_ns, facts.st_size)
