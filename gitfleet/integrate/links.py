"""Where symbolic links of a tree lead, decided without a file system.

A link leaves the repository when it is absolute or when some way of following it climbs above the root. Names that are
not in the tree are taken for directories, since a build may create them; a path that was a link in any commit looked
at may be that link. Very many ways count as leaving.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 2000
"""Steps of one resolution before it is given up as leaving."""

KERNEL_LINKS = 40
"""Links that a kernel follows before it fails; what is longer or a loop leads nowhere (path_resolution(7))."""


_Parts = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Walk:
    """A way under way: the directory reached, the parts still to go, and the links passed."""

    place: _Parts
    parts: _Parts
    passed: _Parts = ()


class Links:
    """Every link, with each target that it has had."""

    def __init__(self, forbidden: Callable[[bytes], bool] = lambda _: False) -> None:
        """Know no links; a way that comes to a ``forbidden`` path leads out as well."""
        self._targets: dict[bytes, set[bytes]] = {}
        self._forbidden = forbidden

    def add(self, path: bytes, target: bytes) -> None:
        """Note that ``path`` is, or was, a link to ``target``."""
        self._targets.setdefault(path, set()).add(target)

    def paths(self) -> list[bytes]:
        """Every link."""
        return sorted(self._targets)

    def escape(self, path: bytes) -> tuple[bytes, ...] | None:
        """The links on a way from ``path`` out of the repository; ``None`` when there is no such way."""
        *parent, name = path.split(b"/")
        walks = [_Walk(tuple(parent), (name,))]
        for _ in range(STEPS):
            if not walks:
                return None
            walk = walks.pop()
            if not walk.parts:
                continue
            onwards = self._step(walk)
            if onwards is None:
                return walk.passed
            walks += onwards
        return (path,)

    def _step(self, walk: _Walk) -> list[_Walk] | None:
        """Every way on from here by one part; ``None`` when it leads out."""
        part, rest = walk.parts[0], walk.parts[1:]
        if part in {b"", b"."}:
            return [replace(walk, parts=rest)]
        if part is _ROOT or (part == b".." and not walk.place):
            return None
        if part == b"..":
            return [replace(walk, place=walk.place[:-1], parts=rest)]
        here = b"/".join((*walk.place, part))
        if len(walk.passed) > KERNEL_LINKS:
            return []
        targets = self._targets.get(here)
        if targets is None:
            # What nobody may write is out of bounds however it is reached.
            away = walk.passed and self._forbidden(here)
            return None if away else [_Walk((*walk.place, part), rest, walk.passed)]
        return [_Walk(walk.place, (*_split(target), *rest), (*walk.passed, here)) for target in targets]


# Stands for the root of a file system; no part of a path can equal it, since it holds a slash.
_ROOT = b"/"


def _split(target: bytes) -> _Parts:
    # On Windows a backslash or a drive letter begins an absolute path; a clone there must not leave either.
    if target.startswith((b"/", b"\\")) or target[1:2] == b":":
        return (_ROOT,)
    return tuple(target.split(b"/"))
