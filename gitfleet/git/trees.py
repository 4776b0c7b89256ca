"""Git trees as bytes: parse, write and edit them without a library, so that both engines agree to the byte.

Names are bytes and may be anything but NUL and ``/``. Nothing here checks that an object exists.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE = 0o100644
EXECUTABLE = 0o100755
SYMLINK = 0o120000
SUBMODULE = 0o160000
DIRECTORY = 0o040000

# 0o100664 is what the first versions of git wrote for a file.
_MODES = frozenset({FILE, EXECUTABLE, SYMLINK, SUBMODULE, DIRECTORY, 0o100664})
_RECORD = {width: re.compile(rb"([0-7]+) ([^\0]*)\0(.{%d})" % width, re.DOTALL) for width in (20, 32)}
_FORBIDDEN = (b"", b".", b"..")


class TreeEntry(NamedTuple):
    """What a tree holds under one name: a mode of git and an object id in hexadecimal."""

    mode: int
    oid: str

    @property
    def is_tree(self) -> bool:
        """Whether this is a directory."""
        return self.mode == DIRECTORY


class TreeChange(NamedTuple):
    """One path that differs between two trees; ``old`` is none for an addition, ``new`` for a deletion."""

    path: bytes
    old: TreeEntry | None
    new: TreeEntry | None


def parse(data: bytes, oid_bytes: int, *, strict: bool = False) -> dict[bytes, TreeEntry]:
    """Read a raw tree object; ``oid_bytes`` is 20 for SHA-1 and 32 for SHA-256.

    With ``strict``, raises ``ValueError`` for one that git would not write: a name twice, or a mode of no meaning that
    git reads as something else than what is given here.
    """
    records = _records(data, oid_bytes)
    found = {name: TreeEntry(int(mode, 8), oid.hex()) for mode, name, oid in records}
    if strict:
        _as_git_writes(records)
    return found


def differing(
    old: bytes, new: bytes, oid_bytes: int, *, strict: bool = False
) -> dict[bytes, tuple[TreeEntry | None, TreeEntry | None]]:
    """The names that two raw tree objects have different entries under, without reading the others closely.

    ``strict`` as for ``parse``, for both.
    """
    before, after = _records(old, oid_bytes), _records(new, oid_bytes)
    if strict:
        _as_git_writes(before)
        _as_git_writes(after)
    found: dict[bytes, tuple[TreeEntry | None, TreeEntry | None]] = {}
    for mode, name, oid in set(before).difference(after):
        found[name] = (TreeEntry(int(mode, 8), oid.hex()), None)
    for mode, name, oid in set(after).difference(before):
        found[name] = (found.get(name, (None, None))[0], TreeEntry(int(mode, 8), oid.hex()))
    return found


def _records(data: bytes, oid_bytes: int) -> list[tuple[bytes, bytes, bytes]]:
    found: list[tuple[bytes, bytes, bytes]] = _RECORD[oid_bytes].findall(data)
    if sum(map(len, chain.from_iterable(found))) + 2 * len(found) != len(data):
        raise ValueError("a tree that is cut off")
    return found


def _as_git_writes(records: list[tuple[bytes, bytes, bytes]]) -> None:
    modes = {int(mode, 8) for mode, _, _ in records}
    if len({name for _, name, _ in records}) != len(records) or not modes <= _MODES:
        raise ValueError("a tree of a form that git does not write")


def serialise(entries: Mapping[bytes, TreeEntry]) -> bytes:
    """Write a raw tree object; git sorts a directory as if its name ended in a slash."""
    ordered = sorted(entries.items(), key=lambda item: item[0] + b"/" if item[1].is_tree else item[0])
    return b"".join(b"%o %s\0%s" % (entry.mode, name, bytes.fromhex(entry.oid)) for name, entry in ordered)


def tree_id(entries: Mapping[bytes, TreeEntry], like: str) -> str:
    """The id that these entries have as a tree, in the hash that ``like`` is an id of; nothing is stored."""
    data = serialise(entries)
    kind = hashlib.sha1 if len(like) == 40 else hashlib.sha256
    return kind(b"tree %d\0%s" % (len(data), data), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Edit:
    """Changes below one directory: what its own names become, and edits of the directories in it."""

    names: dict[bytes, TreeEntry | None]
    below: dict[bytes, Edit]


def plan_edit(changes: Mapping[bytes, TreeEntry | None]) -> Edit:
    """Arrange changes by directory.

    Raises ``ValueError`` for a path that no tree can hold, and for one that would be a file and a directory at once.
    """
    root = Edit({}, {})
    for path, entry in changes.items():
        parts = path.split(b"/")
        if any(part in _FORBIDDEN or b"\0" in part for part in parts):
            msg = f"not a path in a tree: {path!r}"
            raise ValueError(msg)
        node = root
        for part in parts[:-1]:
            node = node.below.setdefault(part, Edit({}, {}))
        node.names[parts[-1]] = entry
    for path, node in _walk(root, b""):
        for name, entry in node.names.items():
            if entry is not None and name in node.below and _adds(node.below[name]):
                msg = f"both a file and a directory: {path + name!r}"
                raise ValueError(msg)
    return root


def apply(edit: Edit, names: dict[bytes, TreeEntry], directories: Mapping[bytes, str | None]) -> None:
    """Change one directory in place; ``directories`` are those edited below it, none for one that is empty now."""
    for name, oid in directories.items():
        if oid is not None:
            names[name] = TreeEntry(DIRECTORY, oid)
        elif name in names and names[name].is_tree:
            del names[name]
    for name, entry in edit.names.items():
        if entry is not None:
            names[name] = entry
        elif directories.get(name) is None:
            names.pop(name, None)


def _walk(node: Edit, prefix: bytes) -> Iterator[tuple[bytes, Edit]]:
    yield prefix, node
    for name, child in node.below.items():
        yield from _walk(child, prefix + name + b"/")


def _adds(node: Edit) -> bool:
    return any(entry is not None for entry in node.names.values()) or any(_adds(child) for child in node.below.values())
