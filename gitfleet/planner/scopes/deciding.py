"""Whether two scopes share a path, existing or not, exclusions included, decided exactly with a path as the proof.

For each pair of entries the product of three automata over the names of a path is searched, breadth first: both
entries, and the set of positions in which the exclusions stand. A path that both accept and no exclusion does is the
witness; when the states run out there is none.

Work is bounded (``WORK_LIMIT``): deciding intersection under exclusions can take time exponential in the pattern. Where
the bound is hit, the exclusions are left out, and if there may be a path then, the answer is overlap: before a run,
doubt means overlap. The witness of a doubt is then in both scopes but for their exclusions, or, beyond a second bound,
only a sample of one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, final

from gitfleet.planner.scopes.patterns import Segment, dominant
from gitfleet.planner.scopes.trie import Trie
from gitfleet.planner.scopes.words import ANYTHING, WORK_LIMIT, Choice, choices, sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.planner.scopes.entries import Entry, Scope

_FEW_PAIRS = 64
"""Pairs of entries that are tried one by one; above it a trie picks the pairs that can meet."""


class _Verdict(Enum):
    DOUBT = "doubt"


_DOUBT: Final = _Verdict.DOUBT


@final
@dataclass(slots=True)
class _Budget:
    """States that may still be visited."""

    left: int = WORK_LIMIT

    def spend(self, states: int) -> bool:
        """Take states; false when they are used up."""
        self.left -= states
        return self.left >= 0


def overlap(a: Scope, b: Scope, *, fold: bool = False) -> bytes | None:
    """Return a path that both scopes hold, or ``None`` when there is none.

    With ``fold`` names are compared as a repository that ignores case does (NFC, casefold), and the path is folded;
    both scopes then hold it in the sense of ``matches(path, fold=True)``.
    """
    exact, rough = _Budget(), _Budget()
    excluded = (*a.sides(fold=fold).excluded, *b.sides(fold=fold).excluded)
    for left, right in _pairs(a, b, fold=fold):
        against = tuple(entry for entry in excluded if meet(entry, left) and meet(entry, right))
        names = _search(left, right, against, exact, fold=fold)
        if names is _DOUBT:
            names = _search(left, right, (), rough, fold=fold)
        if names is _DOUBT:
            names = _sample(left)
        if names is not None:
            return "/".join(names).encode("utf-8", "surrogateescape")
    return None


def meet(a: Entry, b: Entry) -> bool:
    """Whether two entries begin in places of the tree that can be the same one; cheap, and never wrong when false."""
    return all(one == other for one, other in zip(a.head, b.head, strict=False))


def _pairs(a: Scope, b: Scope, *, fold: bool) -> Iterator[tuple[Entry, Entry]]:
    lefts, rights = a.sides(fold=fold).held, b.sides(fold=fold).held
    if len(lefts) * len(rights) <= _FEW_PAIRS:
        yield from ((left, right) for left in lefts for right in rights if meet(left, right))
        return
    trie: Trie[int] = Trie()
    for place, right in enumerate(rights):
        trie.add(right, place)
    for left in lefts:
        yield from ((left, rights[place]) for place in sorted(trie.near(left)))


@final
@dataclass(frozen=True, slots=True)
class _State:
    left: int
    right: int
    against: tuple[int, ...]


def _search(
    left: Entry, right: Entry, against: tuple[Entry, ...], budget: _Budget, *, fold: bool
) -> tuple[str, ...] | _Verdict | None:
    if budget.left < 0:
        return _DOUBT
    start = _State(0, 0, tuple(dominant(1, entry.loops) for entry in against))
    if any(places & entry.accept for places, entry in zip(start.against, against, strict=True)):
        return None
    paths: dict[_State, tuple[str, ...]] = {start: ()}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        names = paths[state]
        avoid, never = _waiting(against, state.against)
        for left_after, left_segment in _moves(left, state.left):
            for right_after, right_segment in _moves(right, state.right):
                next_names = choices(left_segment, right_segment, avoid, never, first=not names, fold=fold)
                if not budget.spend(next_names.cost) or not next_names.complete:
                    return _DOUBT
                for choice in next_names.found:
                    places = _advance(against, state.against, avoid, choice)
                    path = (*names, choice.name)
                    if left_after == len(left.segments) and right_after == len(right.segments):
                        return path
                    after = _State(left_after, right_after, places)
                    if after not in paths:
                        paths[after] = path
                        queue.append(after)
    return None


def _moves(entry: Entry, place: int) -> Iterator[tuple[int, Segment]]:
    """Yield the positions after one more name, with what that name must match."""
    if place < len(entry.segments):
        yield place + 1, entry.segments[place]
    if entry.loops >> place & 1:
        yield place, ANYTHING


def _waiting(against: tuple[Entry, ...], places: tuple[int, ...]) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """List the segments that exclusions wait for: those to avoid, and the last ones, which end the search."""
    avoid: dict[Segment, None] = {}
    never: dict[Segment, None] = {}
    for entry, state in zip(against, places, strict=True):
        for place, segment in enumerate(entry.segments):
            if state >> place & 1:
                last = place + 1 == len(entry.segments)
                (never if last else avoid)[segment] = None
    return tuple(segment for segment in avoid if segment not in never), tuple(never)


def _advance(
    against: tuple[Entry, ...], places: tuple[int, ...], avoid: tuple[Segment, ...], choice: Choice
) -> tuple[int, ...]:
    """Move the exclusions over a name, which none of them holds yet."""
    matched = {avoid[place] for place in choice.matched}
    after: list[int] = []
    for entry, state in zip(against, places, strict=True):
        moved = state & entry.loops
        for place, segment in enumerate(entry.segments):
            if state >> place & 1 and segment in matched:
                moved |= 2 << place
        after.append(dominant(moved, entry.loops))
    return tuple(after)


def _sample(entry: Entry) -> tuple[str, ...]:
    """Make some path of an entry, for a message when nothing better is known."""
    return tuple(sample(segment) for segment in entry.segments) or ("x",)
