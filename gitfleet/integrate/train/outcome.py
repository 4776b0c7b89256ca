"""What goes into a train, and what comes of it: every outcome is a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.integrate.verify import Interrupted
from gitfleet.model.conflict import paths_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.integrate.gate.bounds import Bounds
    from gitfleet.model.conflict import Conflict
    from gitfleet.model.evidence import Verification


@dataclass(frozen=True, slots=True)
class Entry:
    """A gated run on its way to the target; ``needs`` are tasks that have not landed, and must before it or with it."""

    task: str
    name: str
    instance: str
    tip: str
    bounds: Bounds
    needs: frozenset[str] = frozenset()
    began: str = ""
    """The commit of the target that the run began from."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A run that could not be merged: both sides path by path, and a sentence that says why."""

    entry: Entry
    conflicts: tuple[Conflict, ...]
    why: str

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths in conflict."""
        return paths_of(self.conflicts)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit that integrates runs on top of the target, not landed yet; ``commit`` is ``base`` when none merged.

    ``held`` are runs that were left out because one that they need is not in it.
    """

    base: str
    commit: str
    merged: tuple[tuple[Entry, str], ...]
    clashes: tuple[Clash, ...]
    held: tuple[Entry, ...] = ()

    def prefix(self, length: int) -> str:
        """The commit that integrates the first so many runs; the base for none."""
        return self.merged[length - 1][1] if length else self.base


@dataclass(frozen=True, slots=True)
class Ejection:
    """A run that turned the checks red on top of ``onto``, a commit on which they were green."""

    entry: Entry
    verification: Verification
    onto: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Who was ejected, and on how many trees the checks ran to find out."""

    ejected: tuple[Ejection, ...] = ()
    checked: int = 0


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a landing carries on top of its candidate: record files by path, and the record commit's message."""

    files: Mapping[str, bytes]
    message: str


@dataclass(frozen=True, slots=True)
class Landed:
    """The target moved from ``candidate.base`` to ``commit``; what the tally names stayed behind."""

    candidate: Candidate
    verification: Verification
    commit: str


@dataclass(frozen=True, slots=True)
class NothingLands:
    """Every run of the batch conflicts, was ejected or is held; the target did not move."""

    candidate: Candidate
    tally: Tally


@dataclass(frozen=True, slots=True)
class BaseRed:
    """The checks fail on the target itself: nobody is to blame and nothing lands."""

    candidate: Candidate
    verification: Verification


@dataclass(frozen=True, slots=True)
class Stopped:
    """The landing needs a person; ``candidate`` is kept. ``code`` is stable, ``paths`` are in the way.

    ``landed`` is the commit the target moved to when only bringing a checkout along is left, else empty.
    """

    candidate: Candidate
    code: str
    message: str
    paths: tuple[str, ...] = ()
    verification: Verification | None = None
    landed: str = ""


TrainOutcome = Landed | NothingLands | BaseRed | Stopped | Interrupted
