"""Cutting linear history into tasks that may run at the same time.

A commit belongs to the task whose paths it meets; one that meets none begins a task, and one that meets several begins
a task that comes after them. Commits of tasks that do not depend on each other touch disjoint paths, a file and what is
below its name counting as one, so they may be done in any order.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.planner.scopes import ScopeError, entry_for, parse_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 400
"""Paths of a commit; the plan names each of them."""

LONGEST = 4
"""Commits of one task, so that a file that changes often makes a chain of tasks and not one long task."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a commit made of one path; mode 0 is that it is gone."""

    path: bytes
    mode: int
    oid: str


@dataclass(frozen=True, slots=True)
class Step:
    """A commit of history with what it changed against the one before it."""

    commit: str
    edits: tuple[Edit, ...]


@dataclass
class Piece:
    """A task to be: its commits in order, and the numbers of the pieces that it comes after."""

    number: int
    steps: list[Step] = field(default_factory=list)
    after: set[int] = field(default_factory=set)
    paths: set[bytes] = field(default_factory=set)

    @property
    def id(self) -> str:
        """The task's id."""
        return f"t{self.number:03}"


@dataclass
class Cutting:
    """What became of a line of commits: pieces, the last commit that is in one, and what is left out by name."""

    pieces: list[Piece] = field(default_factory=list)
    last: str = ""
    commits: int = 0
    refused: set[bytes] = field(default_factory=set)
    """Paths that no scope can name (``.planning``, names that git keeps for itself): in no task, and not compared."""
    stopped: str = ""


def cut(steps: list[Step], links: frozenset[bytes], tasks: int) -> Cutting:
    """Cut commits, oldest first, into at most so many tasks; ``links`` are the symlinks of the base."""
    found = Cutting()
    owners = _Owners()
    for step in steps:
        named = [edit for edit in step.edits if nameable(edit.path)]
        found.refused |= {edit.path for edit in step.edits if not nameable(edit.path)}
        paths = {edit.path for edit in named}
        if len(paths) > LARGEST:
            found.stopped = f"{step.commit} changes {len(paths)} paths"
            break
        through = sorted(path for path in paths if _above(path) & links)
        if through:
            # A scope through a link of the base means what it points at, whatever history makes of the link later.
            found.stopped = f"{step.commit} writes {through[0]!r}, below a symlink of the base"
            break
        met = {piece.number: piece for path in paths for piece in owners.meeting(path)}
        if len(met) == 1 and len(next(iter(met.values())).steps) < LONGEST:
            (piece,) = met.values()
        elif paths and len(found.pieces) == tasks:
            found.stopped = f"{tasks} tasks are full"
            break
        elif paths:
            piece = Piece(len(found.pieces), after=set(met))
            found.pieces.append(piece)
        else:
            found.last, found.commits = step.commit, found.commits + 1
            continue
        piece.steps.append(Step(step.commit, tuple(named)))
        piece.paths |= paths
        for path in paths:
            owners.add(path, piece)
        found.last, found.commits = step.commit, found.commits + 1
    return found


class _Owners:
    """Which pieces touch a path, something below it, or a file that is where one of its directories has to be."""

    def __init__(self) -> None:
        self._files: defaultdict[bytes, dict[int, Piece]] = defaultdict(dict)
        self._directories: defaultdict[bytes, dict[int, Piece]] = defaultdict(dict)

    def add(self, path: bytes, piece: Piece) -> None:
        self._files[path][piece.number] = piece
        for above in _above(path):
            self._directories[above][piece.number] = piece

    def meeting(self, path: bytes) -> Iterator[Piece]:
        for found in (self._files.get(path), self._directories.get(path), *map(self._files.get, _above(path))):
            yield from (found or {}).values()


def nameable(path: bytes) -> bool:
    """Whether a scope can hold a path."""
    try:
        parse_entry(entry_for(path))
    except ScopeError:
        return False
    return True


def _above(path: bytes) -> set[bytes]:
    """The directories that a path lies in."""
    parts = path.split(b"/")
    return {b"/".join(parts[:depth]) for depth in range(1, len(parts))}
