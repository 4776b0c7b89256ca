"""Which entries begin in places of the tree that can be the same one, without looking at all of them.

Entries are kept in a tree of their segments, up to their first ``**``. A look-up follows what can match and returns
everything on the way and below its end. What it leaves out is apart for certain; what it returns may still be apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar, final

from gitfleet.planner.scopes.words import choices

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from gitfleet.planner.scopes.entries import Entry
    from gitfleet.planner.scopes.patterns import Segment

K = TypeVar("K", bound="Hashable")


@final
@dataclass(slots=True)
class _Node(Generic[K]):
    keys: set[K] = field(default_factory=set)
    names: dict[str, _Node[K]] = field(default_factory=dict)
    patterns: dict[Segment, _Node[K]] = field(default_factory=dict)

    def child(self, segment: Segment) -> _Node[K]:
        """Return the child for a segment, made when it is missing."""
        if segment.literal is not None:
            return self.names.setdefault(segment.literal, _Node())
        return self.patterns.setdefault(segment, _Node())

    def children(self) -> Iterator[_Node[K]]:
        """Yield all children."""
        yield from self.names.values()
        yield from self.patterns.values()

    def matching(self, segment: Segment) -> Iterator[_Node[K]]:
        """Yield the children that a name could lead to which the segment matches."""
        if segment.literal is not None:
            if segment.literal in self.names:
                yield self.names[segment.literal]
        else:
            yield from (node for name, node in self.names.items() if segment.matches(name))
        for pattern, node in self.patterns.items():
            common = choices(segment, pattern)
            if common.found or not common.complete:
                yield node

    def drop(self, segment: Segment) -> None:
        """Forget the child for a segment."""
        if segment.literal is not None:
            del self.names[segment.literal]
        else:
            del self.patterns[segment]


class Trie(Generic[K]):
    """Keys filed under entries."""

    def __init__(self) -> None:
        """Make an empty one."""
        self._root: _Node[K] = _Node()

    def add(self, entry: Entry, key: K) -> None:
        """File a key under an entry; twice is the same as once."""
        node = self._root
        for segment in entry.anchored:
            node = node.child(segment)
        node.keys.add(key)

    def discard(self, entry: Entry, key: K) -> None:
        """Take a key away from an entry that it was filed under, and what is empty then."""
        way = [self._root]
        for segment in entry.anchored:
            way.append(way[-1].child(segment))
        way[-1].keys.discard(key)
        for parent, node, segment in reversed(list(zip(way, way[1:], entry.anchored, strict=False))):
            if not node.keys and not node.names and not node.patterns:
                parent.drop(segment)

    def near(self, entry: Entry) -> set[K]:
        """Keys of all entries that could share a path with this one."""
        found: set[K] = set()
        level = [self._root]
        for segment in entry.anchored:
            found.update(*(node.keys for node in level))
            level = [child for node in level for child in node.matching(segment)]
        while level:
            node = level.pop()
            found.update(node.keys)
            level.extend(node.children())
        return found
