"""Which names can come next: the search over characters below the search over segments.

Given patterns that a name must match and patterns that it should better not match, ``choices`` finds one name for each
smallest set of the latter that cannot be avoided. Work is bounded: where the bound is hit the answer says so, and the
caller takes doubt for overlap.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, final

from gitfleet.planner.scopes.entries import reserved
from gitfleet.planner.scopes.patterns import ANY, Segment, Wild, build, caseless, fold_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WORK_LIMIT = 20_000
"""States that one decision may visit, about a fifth of a second; far above what plans need (tens)."""

ANYTHING = build([Wild.STAR])
"""The pattern ``*``, which every name matches."""

_NEVER = (build(["."]), build([".."]), caseless(".git"))
_NEVER_FIRST = (*_NEVER, caseless(".planning"))
_FILLERS = "xyzwvutsrqponmlkjihgfedcba"


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """A name, and which of the patterns to avoid it matches all the same (by place)."""

    name: str
    matched: frozenset[int]


@final
@dataclass(frozen=True, slots=True)
class Choices:
    """What ``choices`` found, and how many states it visited; ``complete`` is false where the bound was hit."""

    found: tuple[Choice, ...]
    cost: int
    complete: bool = True


@lru_cache(maxsize=8192)
def choices(
    left: Segment,
    right: Segment,
    avoid: tuple[Segment, ...] = (),
    never: tuple[Segment, ...] = (),
    *,
    first: bool = False,
    fold: bool = False,
) -> Choices:
    """Find names that match both patterns and none of ``never``, one for each smallest unavoidable part of ``avoid``.

    A name that matches fewer patterns to avoid is at least as good for whoever looks for a path outside of them, so
    the others are left out. ``first`` says that the name is the first one of its path, ``fold`` that names are folded.
    """
    for one, other in ((left, right), (right, left)):
        if one.literal is not None:
            return _fixed(one.literal, other, avoid, never, first=first)
    for name in (sample(left), sample(right)):
        fits = left.matches(name) and right.matches(name) and not _matched(name, (*avoid, *never))
        if fits and _is_name(name, first=first, fold=fold):
            return Choices((Choice(name, frozenset()),), 1)
    return _Search((left, right), avoid, never, first=first, fold=fold).run()


def sample(segment: Segment) -> str:
    """Make the name that a person would give as an example: ``x`` for each wildcard."""
    return "".join(part if isinstance(part, str) else "x" for part in segment.parts)


def _is_name(name: str, *, first: bool, fold: bool) -> bool:
    whole = fold_name(name) if fold else name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return name == whole and name not in (".", "..") and not reserved(name, first=first)


def _fixed(
    name: str, other: Segment, avoid: tuple[Segment, ...], never: tuple[Segment, ...], *, first: bool
) -> Choices:
    if reserved(name, first=first) or not other.matches(name) or _matched(name, never):
        return Choices((), 1)
    return Choices((Choice(name, _matched(name, avoid)),), 1)


def _matched(name: str, segments: tuple[Segment, ...]) -> frozenset[int]:
    return frozenset(place for place, segment in enumerate(segments) if segment.matches(name))


@final
@dataclass(frozen=True, slots=True)
class _State:
    """Where the two patterns stand, where the others may stand, and the end of the name that may still join."""

    left: int
    right: int
    others: tuple[int, ...]
    tail: str


class _Search:
    """A breadth-first walk over the product of all automata; the first name found is a shortest one."""

    def __init__(
        self,
        pair: tuple[Segment, Segment],
        avoid: tuple[Segment, ...],
        never: tuple[Segment, ...],
        *,
        first: bool,
        fold: bool,
    ) -> None:
        self._pair = pair
        self._avoided = len(avoid)
        self._others = (*avoid, *never, *(_NEVER_FIRST if first else _NEVER))
        self._limit = WORK_LIMIT // (1 + len(self._others) // 8)
        self._ends = [
            (place, segment.accept) for place, segment in enumerate(self._others) if segment.accept & segment.loops
        ]
        self._best: dict[frozenset[int], str] = {}
        self._fold = fold
        alphabet = {char for segment in (*pair, *self._others) for token in segment.tokens for char in token}
        self._filler = _filler(alphabet)
        self._joining = any(_may_join(char, fold=fold) for char in alphabet)

    def run(self) -> Choices:
        """Walk until a name avoids everything, the states are exhausted, or the bound is hit."""
        best = self._best
        if self._filler is None:
            return Choices((), WORK_LIMIT, complete=False)
        start = _State(0, 0, (1,) * len(self._others), "")
        names = {start: ""}
        queue = deque([start])
        while queue:
            state = queue.popleft()
            for char in self._live(state):
                for after in self._step(state, char):
                    if after in names:
                        continue
                    if len(names) >= self._limit:
                        return Choices((), WORK_LIMIT, complete=False)
                    name = names[after] = names[state] + char
                    queue.append(after)
                    matched = self._accepted(after)
                    if matched is not None:
                        best.setdefault(matched, name)
                        if not matched:
                            return Choices((Choice(name, matched),), len(names) * WORK_LIMIT // self._limit)
        smallest = [matched for matched in best if not any(other < matched for other in best)]
        cost = len(names) * WORK_LIMIT // self._limit
        return Choices(tuple(Choice(best[matched], matched) for matched in smallest), cost)

    def _live(self, state: _State) -> Iterable[str]:
        """List the characters that can make a difference here; the filler stands for all others."""
        chars = dict.fromkeys(self._filler or "")
        for segment, place in zip(self._pair, (state.left, state.right), strict=True):
            chars.update(dict.fromkeys(_expected(segment, 1 << place)))
        for segment, places in zip(self._others, state.others, strict=True):
            chars.update(dict.fromkeys(_expected(segment, places)))
        return chars

    def _step(self, state: _State, char: str) -> Iterator[_State]:
        tail = _join(state.tail, char, fold=self._fold) if self._joining else ""
        if tail is None:
            return
        lefts = _moves(self._pair[0], state.left, char)
        rights = _moves(self._pair[1], state.right, char)
        if not lefts or not rights:
            return
        others = tuple(segment.step(places, char) for segment, places in zip(self._others, state.others, strict=True))
        if self._hopeless(others):
            return
        for left in lefts:
            for right in rights:
                yield _State(left, right, others, tail)

    def _hopeless(self, others: tuple[int, ...]) -> bool:
        """Whether the patterns that match whatever follows already rule out every better name."""
        settled = {place for place, accept in self._ends if others[place] & accept}
        return any(place >= self._avoided for place in settled) or any(known <= settled for known in self._best)

    def _accepted(self, state: _State) -> frozenset[int] | None:
        """List the patterns to avoid that match a name that ends here; ``None`` when no name may end here."""
        for segment, place in zip(self._pair, (state.left, state.right), strict=True):
            if place != len(segment.tokens):
                return None
        hit = [
            place
            for place, (segment, places) in enumerate(zip(self._others, state.others, strict=True))
            if places & segment.accept
        ]
        return None if hit and hit[-1] >= self._avoided else frozenset(hit)


def _moves(segment: Segment, place: int, char: str) -> list[int]:
    """List the positions after one character, the looping one first."""
    after = [place] if segment.loops >> place & 1 else []
    if place < len(segment.tokens):
        token = segment.tokens[place]
        if token == ANY or char in token:
            after.append(place + 1)
    return after


def _expected(segment: Segment, places: int) -> str:
    """List the characters that some of these positions wait for by name."""
    expected = ""
    places &= segment.accept - 1
    while places:
        expected += segment.tokens[(places & -places).bit_length() - 1]
        places &= places - 1
    return expected


def _filler(alphabet: set[str]) -> str | None:
    """Find a character outside an alphabet that folds to itself and joins with nothing."""
    ideographs = map(chr, range(0x4E00, 0x9FFF))
    return next((char for char in chain(_FILLERS, ideographs) if char not in alphabet), None)


def _may_join(char: str, *, fold: bool) -> bool:
    """Whether a character beside another could turn both into something else."""
    return not char.isascii() if fold else "\udc80" <= char <= "\udcff"


def _join(tail: str, char: str, *, fold: bool) -> str | None:
    """Return the end of a name that what follows may still change; ``None`` when this character already did.

    Names are text here, and not each text is a name: stray bytes in a row may be the encoding of a character, and in
    folded text a base and its mark are one. Four characters are looked back at, the longest encoding; a longer row
    of marks can be missed, which the check of the final witness turns into doubt.
    """
    text = tail + char
    if fold:
        return None if fold_name(text) != text else text[-4:]
    if not "\udc80" <= char <= "\udcff":
        return ""
    raw = text.encode("utf-8", "surrogateescape")
    return None if raw.decode("utf-8", "surrogateescape") != text else text[-3:]
