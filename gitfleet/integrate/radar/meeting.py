"""Which pairs of changes can conflict at all: everything that cannot be excluded is merged; pure.

Two sides with one merge base conflict only where git looks at both: at a path that both touched, at a path of one below
a path of the other (a file against a directory), or at a path that one added below a directory that vanished on the
other (git takes that for a renamed directory). A rename touches both of its paths. Names are folded where the
repository folds them. Sides with several merge bases, or none, are not judged here.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TREE = b"040000"
_NONE = b"000000"


@dataclass(frozen=True, slots=True)
class Touched:
    """What one side changed against a merge base: every path, those added, and directories that are no more."""

    paths: frozenset[bytes] = frozenset()
    added: frozenset[bytes] = frozenset()
    vanished: frozenset[bytes] = frozenset()
    above: frozenset[bytes] = field(default=frozenset(), repr=False)


def parse_diffs(output: bytes, *, fold: bool) -> dict[tuple[str, str], Touched]:
    """Read ``git diff-tree --stdin -z -r -t --raw --no-renames --no-abbrev`` for pairs of trees, by pair."""
    found: dict[tuple[str, str], Touched] = {}
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        old, new = output[at:end].decode("ascii").split()
        changes: list[tuple[bytes, bytes]] = []
        at = end + 1
        # A path may hold anything but NUL; what follows one is the next change, or the head of the next answer.
        while output[at : at + 1] == b":":
            middle = output.index(b"\0", at)
            end = output.index(b"\0", middle + 1)
            changes.append((output[at:middle], output[middle + 1 : end]))
            at = end + 1
        found[old, new] = _touched(changes, fold=fold)
    return found


def _touched(changes: Iterable[tuple[bytes, bytes]], *, fold: bool) -> Touched:
    paths, added, vanished = set(), set(), set()
    for meta, path in changes:
        before, after = meta[1:7], meta[8:14]
        name = folded(path) if fold else path
        if before == _TREE and after != _TREE:
            vanished.add(name)
        if {before, after} <= {_TREE, _NONE}:
            continue
        paths.add(name)
        if before == _NONE:
            added.add(name)
    above = {parent for path in paths for parent in parents(path)}
    return Touched(frozenset(paths), frozenset(added), frozenset(vanished), frozenset(above))


def may_conflict(a: Touched, b: Touched) -> bool:
    """Whether a merge of the two, on their common base, could conflict."""
    return (
        not a.paths.isdisjoint(b.paths)
        or not a.paths.isdisjoint(b.above)
        or not b.paths.isdisjoint(a.above)
        or _into(a, b)
        or _into(b, a)
    )


def _into(a: Touched, b: Touched) -> bool:
    """Whether one side added something where, on the other, a directory is no more."""
    return bool(b.vanished) and any(not b.vanished.isdisjoint(parents(path)) for path in a.added)


def parents(path: bytes) -> list[bytes]:
    """The directories that a path lies in, outermost first."""
    found = []
    at = path.find(b"/")
    while at >= 0:
        found.append(path[:at])
        at = path.find(b"/", at + 1)
    return found


def folded(path: bytes) -> bytes:
    """The one spelling of names that a folding file system takes for the same; bytes that are no text stay."""
    try:
        return unicodedata.normalize("NFC", path.decode("utf-8")).casefold().encode("utf-8")
    except UnicodeDecodeError:
        return path
