r"""Scopes: the set of paths that a task may write, as its plan spells it, and whether a path is in it.

An entry is anchored at the root of the repository. ``*`` and ``?`` are special within a segment and ``**`` as a whole
segment, where it stands for any number of segments, none included; ``\`` escapes; brackets and braces are literal. An
entry holds each path that it matches and everything below, so ``src``, ``src/`` and ``src/**`` are one thing, and
``src/*`` is what lies below ``src``. ``!entry`` excludes, in any order. An entry in double quotes is C-quoted, which is
how names that are not UTF-8 are written.

No scope holds ``.git``, at any depth, or ``.planning`` at the root, in any mixture of cases: git refuses the first, and
only gitfleet writes the second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, final

from gitfleet.model.paths import quote_path, unquote_path
from gitfleet.planner.scopes.patterns import ScopeError, Segment, dominant, escape, fold_name, parse_segment

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ENTRY_BYTES = 4096
"""Longest entry; no path that a system can open is longer (PATH_MAX on Linux)."""


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a scope, as an automaton over the names of a path.

    Position ``k`` waits for a name that ``segments[k]`` matches; a set bit ``k`` in ``loops`` says that it may also
    swallow any name (there is a ``**``). Position ``len(segments)`` accepts and always loops, since an entry holds
    everything below. ``text`` is the entry in its shortest spelling, and parses to the same entry again.
    """

    text: str
    exclude: bool
    segments: tuple[Segment, ...]
    loops: int

    @property
    def accept(self) -> int:
        """The bit of the accepting position."""
        return 1 << len(self.segments)

    @property
    def anchored(self) -> tuple[Segment, ...]:
        """The segments before the first ``**``: where in the tree the entry begins."""
        return self.segments[: (self.loops & -self.loops).bit_length() - 1]

    @property
    def head(self) -> tuple[str, ...]:
        """The literal names that every path of the entry begins with."""
        names: list[str] = []
        for segment in self.anchored:
            if segment.literal is None:
                break
            names.append(segment.literal)
        return tuple(names)

    def step(self, state: int, name: str) -> int:
        """Advance a set of positions, as bits, over one name."""
        moved = state & self.loops
        for place, segment in enumerate(self.segments):
            if state >> place & 1 and segment.matches(name):
                moved |= 2 << place
        return dominant(moved, self.loops)

    def matches(self, names: tuple[str, ...]) -> bool:
        """Whether the entry's pattern holds a path, given as its names."""
        state = dominant(1, self.loops)
        for name in names:
            if state & self.accept:
                return True
            state = self.step(state, name)
            if not state:
                return False
        return bool(state & self.accept)

    def folded(self) -> Entry:
        """Return the same entry for folded names."""
        return Entry(self.text, self.exclude, tuple(segment.folded() for segment in self.segments), self.loops)


def parse_entry(text: str) -> Entry:
    """Read one entry.

    Raises ``ScopeError`` for what cannot be a scope: nothing, an absolute path, ``..``, a NUL, a name below ``.git`` or
    ``.planning``, ``***``, a lone backslash, broken quotation, or more than ``MAX_ENTRY_BYTES`` bytes.
    """
    raw, exclude = _unquote(text)
    if not raw:
        msg = "an entry must name something; write `.` for everything"
        raise ScopeError(msg)
    if len(raw) > MAX_ENTRY_BYTES:
        msg = f"an entry of more than {MAX_ENTRY_BYTES} bytes is not allowed in a scope"
        raise ScopeError(msg)
    if raw.startswith(b"/"):
        msg = "an absolute path is not allowed in a scope; write it relative to the root of the repository"
        raise ScopeError(msg)
    if b"\0" in raw:
        msg = "a NUL is not allowed in a scope"
        raise ScopeError(msg)
    segments: list[Segment] = []
    loops = 0
    for part in raw.split(b"/"):
        if part == b"**":
            loops |= 1 << len(segments)
        elif part not in (b"", b"."):
            segment = _segment(part, first=not segments)
            if segment is not None:
                segments.append(segment)
    return make_entry(segments, loops, exclude=exclude)


def make_entry(segments: Iterable[Segment], loops: int, *, exclude: bool) -> Entry:
    """Build an entry from its segments and the positions of its ``**`` as bits; the trailing one is always there."""
    kept = tuple(segments)
    pieces: list[str] = []
    for place, segment in enumerate(kept):
        if loops >> place & 1:
            pieces.append("**")
        pieces.append(segment.key)
    return Entry(_spell("/".join(pieces) or ".", exclude=exclude), exclude, kept, loops | 1 << len(kept))


def _segment(part: bytes, *, first: bool) -> Segment | None:
    if part.strip(b"*") == b"" and len(part) > 2:
        msg = f"`{part.decode()}` is not allowed in a scope; write `*` or `**`"
        raise ScopeError(msg)
    segment = parse_segment(part)
    if segment.literal == ".":
        return None
    if segment.literal == "..":
        raise ScopeError("`..` is not allowed in a scope")
    if segment.literal is not None and reserved(segment.literal, first=first):
        msg = f"`{segment.literal}` is not allowed in a scope; nobody but git and gitfleet writes there"
        raise ScopeError(msg)
    return segment


def _unquote(text: str) -> tuple[bytes, bool]:
    quoted = text.removeprefix("!") if text.startswith('!"') else text
    try:
        raw = unquote_path(quoted)
    except ValueError as error:
        msg = "the entry is not valid UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise ScopeError(msg) from error
    if quoted is not text:
        return raw, True
    return (raw[1:], True) if raw.startswith(b"!") else (raw, False)


def _spell(text: str, *, exclude: bool) -> str:
    if text.startswith("!"):
        text = "\\" + text
    raw = text.encode("utf-8", "surrogateescape")
    plain = text.isprintable() or not any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in text)
    spelled = text if plain and not text.startswith('"') else quote_path(raw)
    return "!" + spelled if exclude else spelled


def reserved(name: str, *, first: bool) -> bool:
    """Whether no scope holds this name; ``first`` says that it is the first one of its path."""
    if not name.startswith("."):
        return False
    lowered = name.lower()
    return lowered == ".git" or (first and lowered == ".planning")


def names_of(path: bytes) -> tuple[str, ...] | None:
    """Split a path into its names; ``None`` for what is not a path in a tree or is never in a scope."""
    names = tuple(path.decode("utf-8", "surrogateescape").split("/"))
    for place, name in enumerate(names):
        if name in ("", ".", "..") or "\0" in name or reserved(name, first=place == 0):
            return None
    return names


def entry_for(path: bytes) -> str:
    """Write the entry that holds exactly this path and what is below it, whatever characters it is made of."""
    return _spell(escape(path.decode("utf-8", "surrogateescape")), exclude=False)


@final
@dataclass(frozen=True, slots=True)
class Sides:
    """The parsed entries of a scope: what they hold, and what they exclude from it."""

    held: tuple[Entry, ...]
    excluded: tuple[Entry, ...]


@final
@dataclass(frozen=True)
class Scope:
    """The set of paths that a task may write: the union of its entries minus the union of its exclusions.

    ``entries`` are as written, normalised, each once. Build one with ``Scope.parse``.
    """

    entries: tuple[str, ...]
    parsed: tuple[Entry, ...] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Scope:
        """Read the entries of a scope; raises ``ScopeError`` for the first that cannot be meant."""
        return cls.of(parse_entry(text) for text in entries)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Scope:
        """Build a scope from parsed entries."""
        parsed = {entry.text: entry for entry in entries}
        return cls(tuple(parsed), tuple(parsed.values()))

    @cached_property
    def plain(self) -> Sides:
        """The entries for names as they are."""
        return Sides(
            tuple(entry for entry in self.parsed if not entry.exclude),
            tuple(entry for entry in self.parsed if entry.exclude),
        )

    @cached_property
    def folded(self) -> Sides:
        """The entries for folded names."""
        return Sides(
            tuple(entry.folded() for entry in self.plain.held),
            tuple(entry.folded() for entry in self.plain.excluded),
        )

    def sides(self, *, fold: bool) -> Sides:
        """Return the entries for folded names, or for names as they are."""
        return self.folded if fold else self.plain

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held, because no entry is positive: a read-only task."""
        return not self.plain.held

    def matches(self, path: bytes, *, fold: bool = False) -> bool:
        """Whether the scope holds a path of a tree, compared exactly, or folded on both sides.

        On a repository that ignores case, a gate that asks both ways lets nothing through that two disjoint scopes
        share: the exact answer keeps to the spelling that was claimed, the folded one to exclusions in any spelling.
        """
        names = names_of(path)
        if names is None:
            return False
        if fold:
            names = tuple(fold_name(name) for name in names)
        sides = self.sides(fold=fold)
        return any(entry.matches(names) for entry in sides.held) and not any(
            entry.matches(names) for entry in sides.excluded
        )
