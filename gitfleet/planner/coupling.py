"""Which tasks that may run at once write files that history changes together.

Two files are coupled when three things hold, each with the name that it has in the literature:

* **support**: the same commit changed both, at least ``SUPPORT`` times (Agrawal, Imieliński and Swami, 1993);
* **confidence**: of the commits to the one that changed less often, at least ``CONFIDENCE`` changed the other (same);
* **lift** above 1, and not by chance: the lower end of the 95 % interval of that confidence (Wilson, 1927) lies above
  the share of *all* commits that changed the other (Brin, Motwani, Ullman and Tsur, 1997). A change log that goes with
  every commit is coupled with nothing by this.

All commits that were read count the same: there is no decay by age but that only the newest are read, so that a person
finds the same counts with ``git log``. A file that was moved as it was has its earlier commits too.

Not promised: a cause. Coupling says what used to go together. Nothing is refused or reordered for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import TYPE_CHECKING, final

from gitfleet.planner.scopes import fold_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gitfleet.model.history import History
    from gitfleet.planner.scopes import Scope

SUPPORT = 3
CONFIDENCE = 0.3
NAMED_PAIRS = 5
"""File pairs that are kept as evidence of two tasks, strongest first."""

_Z = 1.96
_RECORDS = b".planning/"


@final
@dataclass(frozen=True, slots=True)
class FilePair:
    """Two coupled files, each in the scope of one task: ``together`` of the ``fewer`` commits to one changed the other.

    ``lift`` is how many times as often as by chance, ``sure`` the lower end of the interval of the confidence.
    """

    first: bytes
    second: bytes
    together: int
    fewer: int
    lift: float
    sure: float


@final
@dataclass(frozen=True, slots=True)
class Coupled:
    """Two tasks whose scopes hold coupled files.

    Of ``either`` commits to one scope or the other, ``together`` changed both.
    """

    first: str
    second: str
    together: int
    either: int
    pairs: tuple[FilePair, ...]
    more: int = 0

    @property
    def share(self) -> float:
        """How much of what is done to either scope concerned both (Jaccard, 1901)."""
        return self.together / self.either


def sure_share(part: int, whole: int) -> float:
    """The lower end of the 95 % interval of a share, after Wilson (1927); 0 of nothing."""
    if not whole:
        return 0.0
    share, z2 = part / whole, _Z * _Z
    margin = _Z * sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole))
    return max(0.0, (share + z2 / (2 * whole) - margin) / (1 + z2 / whole))


def couplings(
    history: History,
    scopes: Mapping[str, Scope],
    at_once: Callable[[str, str], bool],
    exists: Callable[[bytes], bool],
    *,
    fold: bool = False,
) -> tuple[Coupled, ...]:
    """List pairs of tasks that history couples, most coupled first.

    ``at_once`` says whether two tasks may run at the same time, ``exists`` whether the base has a path: what is coupled
    with a file that is gone is no evidence.
    """
    holders = _Holders(scopes, fold=fold)
    held: dict[bytes, tuple[str, ...]] = {}
    files: Counter[bytes] = Counter()
    both: Counter[tuple[bytes, bytes]] = Counter()
    commits: dict[str, int] = {}
    total = 0
    for number, paths in enumerate(_followed(history)):
        total += 1
        for path in paths:
            if path not in held:
                held[path] = holders.of(path)
        ours = sorted(path for path in paths if held[path])
        files.update(ours)
        both.update(combinations(ours, 2))
        for task in {task for path in ours for task in held[path]}:
            commits[task] = commits.get(task, 0) | 1 << number
    evidence: dict[tuple[str, str], list[FilePair]] = {}
    order = {task: place for place, task in enumerate(scopes)}
    for pair in _strongest(files, both, total):
        if not (exists(pair.first) and exists(pair.second)):
            continue
        tasks = {(one, other) for one in held[pair.first] for other in held[pair.second] if one != other}
        for one, other in sorted({tuple(sorted(two, key=order.__getitem__)) for two in tasks}):
            evidence.setdefault((one, other), []).append(pair)
    found = [
        Coupled(
            one,
            other,
            (commits[one] & commits[other]).bit_count(),
            (commits[one] | commits[other]).bit_count(),
            tuple(pairs[:NAMED_PAIRS]),
            max(0, len(pairs) - NAMED_PAIRS),
        )
        for (one, other), pairs in evidence.items()
        if at_once(one, other)
    ]
    return tuple(sorted(found, key=lambda two: (-two.pairs[0].sure, -two.share, order[two.first], order[two.second])))


def _strongest(files: Counter[bytes], both: Counter[tuple[bytes, bytes]], total: int) -> list[FilePair]:
    found = []
    for (first, second), together in both.items():
        if together < SUPPORT:
            continue
        fewer, more = sorted((files[first], files[second]))
        sure = sure_share(together, fewer)
        if together / fewer >= CONFIDENCE and sure > more / total:
            found.append(FilePair(first, second, together, fewer, together * total / (fewer * more), sure))
    return sorted(found, key=lambda pair: (-pair.sure, -pair.together, pair.first, pair.second))


def _followed(history: History) -> Iterable[list[bytes]]:
    """The paths of each commit that counts, by the names that files have now."""
    now: dict[bytes, bytes] = {}
    for change in history.changes:
        paths = {now.get(path, path) for path in change.paths if not path.startswith(_RECORDS)}
        if paths and not change.large:
            yield sorted(paths)
        # All at once, since a commit may swap two names.
        now |= {old: now.get(new, new) for old, new in change.moved}


class _Holders:
    """Which scopes hold a path; those that begin with literal names are asked only below these."""

    def __init__(self, scopes: Mapping[str, Scope], *, fold: bool) -> None:
        self._scopes = scopes
        self._fold = fold
        self._heads: dict[tuple[str, ...], list[str]] = {}
        for task, scope in scopes.items():
            for head in {entry.head for entry in scope.sides(fold=fold).held}:
                self._heads.setdefault(head, []).append(task)

    def of(self, path: bytes) -> tuple[str, ...]:
        """Tasks whose scope holds this path, each once."""
        names = tuple(path.decode("utf-8", "surrogateescape").split("/"))
        if self._fold:
            names = tuple(fold_name(name) for name in names)
        near = [task for depth in range(len(names) + 1) for task in self._heads.get(names[:depth], ())]
        return tuple(task for task in dict.fromkeys(near) if self._scopes[task].matches(path, fold=self._fold))
