"""Merges that need no merging: two sides that changed different paths.

Most runs of a train touch what nobody else touches. Then the merged tree is one side's with the other side's entries,
which takes a fraction of a git process. Where that could differ from what git's own merge says, the answer is none and
git is asked: a path that both sides changed, a file against a directory, and an addition below a directory that the
other side took files from, which git may take for a renamed one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.git.engine import MissingObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitfleet.git.objects import Objects
    from gitfleet.git.trees import TreeChange

_LONGEST_LINE = 1000


@dataclass(slots=True)
class _Touched:
    """The paths that one side changed since the base of a merge."""

    paths: set[bytes] = field(default_factory=set)
    above: set[bytes] = field(default_factory=set)
    """Every directory that holds one of them."""
    thinned: set[bytes] = field(default_factory=set)
    """Every directory that holds one that was deleted."""
    grown: set[bytes] = field(default_factory=set)
    """Every directory that holds one that was added."""

    def add(self, changes: Iterable[TreeChange]) -> None:
        for change in changes:
            above = list(_above(change.path))
            self.paths.add(change.path)
            self.above.update(above)
            if change.new is None:
                self.thinned.update(above)
            elif change.old is None:
                self.grown.update(above)

    def meets(self, other: _Touched) -> bool:
        """Whether git would have anything to decide between these two."""
        return not (
            self.paths.isdisjoint(other.paths)
            and self.paths.isdisjoint(other.above)
            and self.above.isdisjoint(other.paths)
            and self.thinned.isdisjoint(other.grown)
            and self.grown.isdisjoint(other.thinned)
        )

    def joined(self, other: _Touched) -> _Touched:
        return _Touched(
            self.paths | other.paths, self.above | other.above, self.thinned | other.thinned, self.grown | other.grown
        )


@dataclass(slots=True)
class _Side:
    """What merging one branch brought."""

    touched: _Touched
    own: frozenset[str]


_NOTHING = _Side(_Touched(), frozenset())


@dataclass(slots=True)
class Apart:
    """Merges branches into a line of merge commits that begins at ``base``."""

    objects: Objects
    base: str
    _made: dict[tuple[str, str], _Side] = field(default_factory=dict)
    _lines: dict[str, _Side] = field(default_factory=dict)
    _before: dict[str, _Touched | None] = field(default_factory=dict)

    def merge(self, ours: str, theirs: str, began: str) -> str | None:
        """The tree of ``theirs`` merged into ``ours``, a commit of the line; none when git has to say.

        ``began`` is the commit of the target that ``theirs`` began from.
        """
        # The other engine starts more processes for this than git's own merge is.
        if self.objects.engine != "pygit2":
            return None
        try:
            own = self._own(theirs, began)
            earlier = self._earlier(began)
            line = self._line(ours)
            if own is None or earlier is None or not line.own.isdisjoint(own):
                return None
            if began != self.base and self.objects.is_ancestor(own[-1], self.base):
                return None
            changes = self._differences(began, theirs)
            touched = _Touched()
            touched.add(changes)
            if touched.meets(line.touched) or touched.meets(earlier):
                return None
            tree = self.objects.edit_tree(
                self.objects.commit(ours).tree, {change.path: change.new for change in changes}
            )
        except (MissingObject, ValueError):
            return None
        self._made[ours, tree] = _Side(touched, frozenset(own))
        return tree

    def _own(self, theirs: str, began: str) -> list[str] | None:
        """The commits after ``began``, newest first; none when they are no line, as after a merge."""
        own: list[str] = []
        at = theirs
        while at != began:
            parents = self.objects.commit(at).parents
            if len(parents) != 1 or len(own) == _LONGEST_LINE:
                return None
            own.append(at)
            at = parents[0]
        return own or None

    def _line(self, ours: str) -> _Side:
        """What the line brought from its base up to ``ours``."""
        steps: list[tuple[str, str, str]] = []
        at = ours
        while at != self.base and at not in self._lines:
            commit = self.objects.commit(at)
            steps.append((at, commit.parents[0], commit.tree))
            at = commit.parents[0]
        line = self._lines.get(at, _NOTHING)
        for at, parent, tree in reversed(steps):
            step = self._made.get((parent, tree))
            if step is None:
                step = _Side(_Touched(), frozenset(self.objects.walk(at, parent)))
                step.touched.add(self._differences(parent, at))
            line = self._lines[at] = _Side(line.touched.joined(step.touched), line.own | step.own)
        return line

    def _earlier(self, began: str) -> _Touched | None:
        """What the target changed after ``began``, up to the line's base; none when that is not after it."""
        if began not in self._before:
            touched = None
            if began == self.base or self.objects.is_ancestor(began, self.base):
                touched = _Touched()
                touched.add(self._differences(began, self.base))
            self._before[began] = touched
        return self._before[began]

    def _differences(self, old: str, new: str) -> list[TreeChange]:
        return self.objects.diff(self.objects.commit(old).tree, self.objects.commit(new).tree, strict=True)


def _above(path: bytes) -> Iterator[bytes]:
    """Every directory above a path, but for the root, which git never takes for a renamed one."""
    at = path.find(b"/")
    while at != -1:
        yield path[:at]
        at = path.find(b"/", at + 1)
