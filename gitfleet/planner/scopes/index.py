"""Live scopes by key, so that a new one is compared with those near it and not with all.

A thousand disjoint scopes cost a thousand look-ups and no exact comparison; ``comparisons`` counts the exact ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.planner.scopes.deciding import overlap
from gitfleet.planner.scopes.trie import Trie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.planner.scopes.entries import Scope


class ScopeIndex:
    """Scopes filed by where in the tree they begin.

    ``fold`` says that names are compared as a repository that ignores case does.
    """

    def __init__(self, *, fold: bool = False) -> None:
        """Make an empty index."""
        self.comparisons = 0
        self._fold = fold
        self._scopes: dict[str, tuple[int, Scope]] = {}
        self._added = 0
        self._trie: Trie[str] = Trie()

    def __len__(self) -> int:
        """How many scopes are filed."""
        return len(self._scopes)

    def add(self, key: str, scope: Scope) -> None:
        """File a scope, in place of the one that had this key."""
        self.discard(key)
        self._added += 1
        self._scopes[key] = (self._added, scope)
        for entry in scope.sides(fold=self._fold).held:
            self._trie.add(entry, key)

    def discard(self, key: str) -> None:
        """Forget a scope, if it is filed."""
        if key in self._scopes:
            _, scope = self._scopes.pop(key)
            for entry in scope.sides(fold=self._fold).held:
                self._trie.discard(entry, key)

    def meeting(self, scope: Scope) -> Iterator[tuple[str, bytes]]:
        """Keys that overlap a scope, oldest first, each with a path that both hold; compares as far as it is read."""
        near: set[str] = set()
        for entry in scope.sides(fold=self._fold).held:
            near |= self._trie.near(entry)
        for key in sorted(near, key=lambda key: self._scopes[key][0]):
            self.comparisons += 1
            witness = overlap(self._scopes[key][1], scope, fold=self._fold)
            if witness is not None:
                yield key, witness

    def overlapping(self, scope: Scope) -> list[tuple[str, bytes]]:
        """Keys that overlap a scope, oldest first, each with a path that both hold."""
        return list(self.meeting(scope))
