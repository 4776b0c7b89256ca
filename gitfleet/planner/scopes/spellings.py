"""Two spellings of one path, which a repository that ignores case cannot tell apart.

A plan that says ``src/API`` here and ``src/api`` there means one directory, and its tasks would be held against
different names. Only names before the first wildcard are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from gitfleet.planner.scopes.patterns import fold_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.planner.scopes.entries import Scope


@final
@dataclass(frozen=True, slots=True)
class Spelling:
    """A path that two entries spell differently; keys are those of the scopes."""

    key: str
    entry: str
    path: str
    other_key: str
    other_entry: str
    other_path: str


def spellings(scopes: Mapping[str, Scope], *, fold: bool) -> tuple[Spelling, ...]:
    """Find paths that are spelled in two ways, each entry reported once against the first spelling.

    Without ``fold`` every spelling is a path of its own and nothing is found.
    """
    if not fold:
        return ()
    first: dict[tuple[str, ...], tuple[str, str, tuple[str, ...]]] = {}
    found: list[Spelling] = []
    for key, scope in scopes.items():
        for entry in scope.parsed:
            names = entry.head
            for depth in range(1, len(names) + 1):
                path = names[:depth]
                folded = tuple(fold_name(name) for name in path)
                seen_key, seen_entry, seen = first.setdefault(folded, (key, entry.text, path))
                if seen != path:
                    found.append(Spelling(key, entry.text, "/".join(path), seen_key, seen_entry, "/".join(seen)))
                    break
    return tuple(found)
