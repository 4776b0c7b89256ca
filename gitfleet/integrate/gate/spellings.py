"""Paths that a commit adds beside another spelling of the same name, which a folding repository cannot hold apart.

A checkout of both writes one over the other, so a file in scope would change one outside of it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gitfleet.planner.scopes import fold_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitfleet.git.index import Change
    from gitfleet.git.objects import Objects
    from gitfleet.git.trees import TreeEntry


def clashes(objects: Objects, commit: str, changes: Sequence[Change]) -> Iterator[bytes]:
    """Yield added paths of which a name is in the same directory of the commit in another spelling."""
    added = [change.path for change in changes if change.old is None and change.new is not None]
    if not added:
        return
    known: dict[str, tuple[dict[bytes, TreeEntry], Counter[str]]] = {}
    root = objects.commit(commit).tree
    for path in added:
        tree = root
        for name in path.split(b"/"):
            if tree not in known:
                names = objects.tree(tree)
                known[tree] = names, Counter(map(folded, names))
            names, spellings = known[tree]
            if spellings[folded(name)] > 1:
                yield path
                break
            entry = names.get(name)
            if entry is None or not entry.is_tree:
                break
            tree = entry.oid


def folded(name: bytes) -> str:
    """Fold a name as a case-insensitive file system does."""
    return fold_name(name.decode("utf-8", "surrogateescape"))
