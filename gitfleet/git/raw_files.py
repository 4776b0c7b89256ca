"""Files of a worktree stored as they are: bytes without filters, the executable bit, links as links.

What cannot be read is named and everything else is stored. A pipe, a socket or a device has no content and counts as
absent. Files may change or vanish while this runs: what is stored is what one reading saw.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed
from gitfleet.git.trees import EXECUTABLE, FILE, SUBMODULE, SYMLINK, TreeEntry
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.git.command import Git
    from gitfleet.git.objects import Objects

# A component that git reads as `.git` on some file system, and that it lets into no tree.
_FORBIDDEN = frozenset({b".git", b"git~1"})
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Stored:
    """What paths hold on disk: a tree entry, or none for nothing; and what could not be stored, a sentence each."""

    entries: dict[bytes, TreeEntry | None]
    gaps: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    files: dict[bytes, int] = field(default_factory=dict)
    links: dict[bytes, bytes] = field(default_factory=dict)
    entries: dict[bytes, TreeEntry | None] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)


def store(git: Git, objects: Objects, root: bytes, paths: Iterable[bytes]) -> Stored:
    """Store what stands at these paths below ``root``; ``git`` runs there.

    A directory at a path is nothing, unless it is a repository: then the entry is a submodule at its HEAD.
    """
    reading = _look(git, root, paths)
    for _ in range(_ATTEMPTS):
        if not reading.files:
            break
        names = list(reading.files)
        try:
            oids = _hash(git, names)
        except GitFailed as error:
            # A file went or changed its kind while git read them: look again, and at last take them one by one.
            reading.gaps.append(error.completed.error)
            again = _look(git, root, names)
            reading.files, reading.gaps = again.files, [*reading.gaps[:-1], *again.gaps]
            reading.links |= again.links
            reading.entries |= again.entries
            continue
        reading.entries |= {
            name: TreeEntry(mode, oid) for (name, mode), oid in zip(reading.files.items(), oids, strict=True)
        }
        reading.files = {}
    for name, mode in reading.files.items():
        try:
            reading.entries[name] = TreeEntry(mode, _hash(git, [name])[0])
        except GitFailed as error:
            reading.gaps.append(f"{quote_path(name)}: {error.completed.error}")
    for name, oid in zip(reading.links, objects.write_blobs(reading.links.values()), strict=True):
        reading.entries[name] = TreeEntry(SYMLINK, oid)
    return Stored(reading.entries, tuple(reading.gaps))


def refused(path: bytes) -> bool:
    """Whether git lets no tree hold this path."""
    return any(part.lower() in _FORBIDDEN for part in path.split(b"/"))


def _look(git: Git, root: bytes, paths: Iterable[bytes]) -> _Reading:
    found = _Reading()
    plain: dict[bytes, bool] = {b"": True}
    for path in paths:
        if refused(path):
            found.gaps.append(f"{quote_path(path)}: git can hold no file of this name")
            continue
        try:
            _sort(git, root, path, found, plain)
        except (FileNotFoundError, NotADirectoryError):
            found.entries[path] = None
        except OSError as error:
            found.gaps.append(f"{quote_path(path)}: {error.strerror}")
    return found


def _sort(git: Git, root: bytes, path: bytes, found: _Reading, plain: dict[bytes, bool]) -> None:
    place = root + b"/" + path
    if not _is_below_directories(root, path.rpartition(b"/")[0], plain):
        found.entries[path] = None
        return
    facts = os.lstat(place)
    if stat.S_ISLNK(facts.st_mode):
        found.links[path] = os.readlink(place)  # noqa: PTH115 - as bytes
    elif stat.S_ISREG(facts.st_mode):
        # Only to learn whether it can be read: git reads it, which bears files that no memory holds.
        os.close(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
        found.files[path] = EXECUTABLE if facts.st_mode & stat.S_IXUSR else FILE
    elif stat.S_ISDIR(facts.st_mode):
        found.entries[path] = _submodule(git, place)
    else:
        found.entries[path] = None


def _is_below_directories(root: bytes, directory: bytes, plain: dict[bytes, bool]) -> bool:
    """Whether every component is a directory itself: what lies behind a link belongs to another path."""
    known = plain.get(directory)
    if known is None:
        above = directory.rpartition(b"/")[0]
        known = _is_below_directories(root, above, plain) and stat.S_ISDIR(os.lstat(root + b"/" + directory).st_mode)
        plain[directory] = known
    return known


def _submodule(git: Git, place: bytes) -> TreeEntry | None:
    if not os.path.lexists(place + b"/.git"):
        return None
    from pathlib import Path  # noqa: PLC0415 - the one place that needs it

    from gitfleet.git.command import Git as Door  # noqa: PLC0415 - without the settings of the tree around it

    with suppress(GitFailed, OSError):
        door = Door(Path(os.fsdecode(place)), inherit=git.inherit)
        return TreeEntry(SUBMODULE, door.run("rev-parse", "--verify", "HEAD^{commit}").text)
    return None


def _hash(git: Git, names: list[bytes]) -> list[str]:
    lines = b"".join(_line(name) + b"\n" for name in names)
    return git.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=lines).text.split()


def _line(name: bytes) -> bytes:
    """One line of ``--stdin-paths``: plain where it can be, else quoted as git reads it."""
    if b"\n" not in name and not name.startswith(b'"'):
        return name
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
