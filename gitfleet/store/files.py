"""Durable writes: a file is either what it was or what it is meant to be, after a crash at any system call.

A new content is written to a temporary file in the same directory, flushed, and renamed over the name; then the
directory is flushed, so that the rename itself survives a power cut. Temporary files of dead writers begin with
``.tmp-`` and are skipped by every reader (``is_temporary``). Nothing here locks: two writers of one path are kept
apart by the lock proofs of their callers.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

TEMPORARY = ".tmp-"
DIRECTORY_MODE = 0o700
_counter = itertools.count()
# fsync on macOS leaves data in the drive's cache; F_FULLFSYNC does not, and some network file systems refuse it.
_FULL_FSYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)


def is_temporary(name: str) -> bool:
    """Whether a file name is that of an unfinished write."""
    return name.startswith(TEMPORARY)


def names(directory: Path) -> list[str]:
    """Names in a directory, sorted, without those of unfinished writes; none when there is no such directory."""
    return [name for name in _all_names(directory) if not is_temporary(name)]


def sweep(directory: Path) -> int:
    """Remove what dead writers left in a directory that nobody writes to now; returns how many files."""
    dead = [name for name in _all_names(directory) if is_temporary(name)]
    return sum(remove_durable(directory / name) for name in dead)


def open_regular(path: str | Path, flags: int, mode: int = 0o600) -> int:
    """Open a regular file: a pipe or a device that somebody put in its place could hold us up for ever.

    Serves as an ``opener``, too. Raises ``OSError``, whose ``strerror`` is a clause for people, for anything else.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.ENXIO, "it is not a regular file", str(path))
    return descriptor


def read_regular(path: Path, limit: int | None = None) -> bytes:
    """Read a regular file, or at most ``limit`` bytes of one; see ``open_regular`` for what is refused."""
    descriptor = open_regular(path, os.O_RDONLY)
    try:
        left = sys.maxsize if limit is None else limit
        size = min(os.fstat(descriptor).st_size + 1, 1 << 20)
        found = bytearray()
        while left > len(found) and (block := os.read(descriptor, min(left - len(found), size))):
            found += block
        return bytes(found)
    finally:
        os.close(descriptor)


def flush(descriptor: int) -> None:
    """Bring a file's or directory's content to the disk."""
    if _FULL_FSYNC is not None:  # pragma: no cover - macOS only
        try:
            fcntl.fcntl(descriptor, _FULL_FSYNC)
        except OSError:
            pass
        else:
            return
    os.fsync(descriptor)


def flush_directory(path: Path) -> None:
    """Make renames, creations and removals in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flush(descriptor)
    except OSError as error:  # pragma: no cover - some network file systems
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


def make_directory(path: Path, *, mode: int = DIRECTORY_MODE) -> None:
    """Make a directory and its missing parents, each flushed into its own parent; an existing one is fine."""
    if path.is_dir():
        return
    make_directory(path.parent, mode=mode)
    try:
        path.mkdir(mode=mode)
    except FileExistsError as error:
        if not path.is_dir():  # a file, or a link to nowhere
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from error
    flush_directory(path.parent)


def write_durable(path: Path, data: bytes, *, mode: int = 0o644, by_way_of: Path | None = None) -> None:
    """Replace or create a file; readers see the old or the new content and never a mixture.

    ``by_way_of`` is a directory for the temporary file, where the file's own belongs to several writers and none of
    them could sweep it.
    """
    with _temporary(by_way_of / path.name if by_way_of else path, data, mode) as temporary:
        temporary.rename(path)
    flush_directory(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Put a complete file in place that its owner alone may read; it need not survive a crash of the machine."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _temporary(path, data, 0o600) as temporary:
        temporary.rename(path)


def write_all_durable(contents: Mapping[Path, bytes], *, mode: int = 0o644) -> None:
    """Replace or create several files, in order, each as ``write_durable`` does; a directory is flushed once.

    After a crash any number of them, from the first on, may be new.
    """
    for path, data in contents.items():
        with _temporary(path, data, mode) as temporary:
            temporary.rename(path)
    for directory in dict.fromkeys(path.parent for path in contents):
        flush_directory(directory)


def remove_all_durable(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Remove several files for good, each directory flushed once; those that were there."""
    removed = []
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
            removed.append(path)
    for directory in dict.fromkeys(path.parent for path in removed):
        flush_directory(directory)
    return tuple(removed)


def remove_durable(path: Path) -> bool:
    """Remove a file for good; false when there was none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    flush_directory(path.parent)
    return True


def rename_durable(source: Path, destination: Path) -> None:
    """Rename a file or directory; both parents are flushed, the new name first so that one of them always holds it."""
    source.rename(destination)
    flush_directory(destination.parent)
    if source.parent != destination.parent:
        flush_directory(source.parent)


def _all_names(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries)
    except FileNotFoundError:
        return []


@contextmanager
def _temporary(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """Give a flushed temporary file beside ``path``; it is removed unless the caller moved it away."""
    descriptor, temporary = _open_new(path, mode)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            flush(descriptor)
        finally:
            os.close(descriptor)
        yield temporary
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            # write(2) and fsync(2) know a descriptor only; a person wants to know which disk is full.
            error.filename = str(path)
        with suppress(OSError):
            temporary.unlink()
        raise


def _open_new(path: Path, mode: int) -> tuple[int, Path]:
    while True:
        # A dead process with our pid may have left the same name behind; O_EXCL finds out and the counter moves on.
        temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{next(_counter)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileExistsError):
            return os.open(temporary, flags, mode), temporary
