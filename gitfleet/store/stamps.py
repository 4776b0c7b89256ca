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


def since(directory: Path, when: float, suffix: str = "") -> list[tuple[str, Stamp]]:
    """Files in a directory that were written since then, in POSIX seconds, with their stamps.

    Only such whose name ends like ``suffix``, without unfinished writes. Nothing comes or goes in a directory without
    its own time telling so: one that did not change since then is not read. Raises ``FileNotFoundError`` where it is
    gone, or goes away meanwhile.
    """
    if directory.stat().st_mtime < when:
        return []
    with os.scandir(directory) as found:
        names = [entry for entry in found if entry.name.endswith(suffix) and not is_temporary(entry.name)]
        files = [(entry.path, entry.stat()) for entry in names]
    return [(path, (facts.st_ino, facts.st_mtime_ns, facts.st_size)) for path, facts in files if facts.st_mtime >= when]
