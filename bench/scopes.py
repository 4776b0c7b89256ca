"""Finding overlaps through the index, against comparing all pairs."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from bench.measure import Row, Section, stopwatch
from gitfleet.planner.scopes import Scope, ScopeIndex, overlap

if TYPE_CHECKING:
    from collections.abc import Sequence


def scopes(number: int) -> list[Scope]:
    """Scopes as plans have them: a directory, a file, and now and then a glob; a few overlap."""
    made = []
    for n in range(number):
        entries = [f"src/part{n}/", f"docs/part{n}.md"]
        if n % 10 == 0:
            entries.append(f"src/part{n + 1}/**/*.css")
        made.append(Scope.parse(entries))
    return made


def by_index(all_scopes: Sequence[Scope]) -> int:
    """Overlapping pairs, found with the index."""
    index, found = ScopeIndex(), 0
    for n, scope in enumerate(all_scopes):
        found += len(index.overlapping(scope))
        index.add(str(n), scope)
    return found


def by_pairs(all_scopes: Sequence[Scope]) -> int:
    """Overlapping pairs, found by comparing each with each."""
    return sum(overlap(one, other) is not None for one, other in combinations(all_scopes, 2))


def bench(sizes: Sequence[int]) -> Section:
    """Both at several sizes; the index should grow with the number, the pairs with its square."""
    rows = []
    for size in sizes:
        all_scopes = scopes(size)
        found: list[int] = []
        pairs = stopwatch(lambda: found.append(by_pairs(all_scopes)))  # noqa: B023 - called before the next round
        index = stopwatch(lambda: found.append(by_index(all_scopes)))  # noqa: B023
        assert found[0] == found[1], found
        rows += [Row(f"{size} scopes, all pairs", pairs, pairs), Row(f"{size} scopes, index", index, pairs)]
    return Section("overlapping scopes", rows)
