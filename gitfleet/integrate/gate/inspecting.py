"""The gate: what a run's commits changed, held against its bounds, before anything of them is merged, and after.

Each own commit is looked at by itself, so that nothing hides in a net diff: a secret that one commit adds and the
next removes would reach the target's history all the same. What this does not see: writes to anything that git does
not track.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.git.engine import MissingObject
from gitfleet.integrate.gate.bounds import is_git_name, is_planning
from gitfleet.integrate.gate.following import escapes, is_link
from gitfleet.integrate.gate.history import differences, own_commits, unbent
from gitfleet.integrate.gate.spellings import clashes
from gitfleet.model.evidence import GateReport, Violation
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from gitfleet.git.command import Git
    from gitfleet.git.index import Change
    from gitfleet.git.objects import Objects
    from gitfleet.integrate.gate.bounds import Bounds

REPORTED = 500
"""Violations named in a report; a record stays bounded whatever a run did."""

BORDER = "out-of-scope"
"""The one reason that a policy may do something about; whatever else is wrong refuses the run."""


@dataclass(frozen=True, slots=True)
class Outside:
    """A violation with its path as git has it."""

    path: bytes
    reason: str
    commit: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was looked at, and every violation: each path and reason once, in the order of the commits."""

    commits: int
    violations: tuple[Outside, ...]

    @property
    def passed(self) -> bool:
        """Whether all is inside."""
        return not self.violations

    @property
    def only_border(self) -> bool:
        """Whether nothing worse happened than a step over the border of the scope."""
        return all(one.reason == BORDER for one in self.violations)

    def report(self, outcome: str = "refused", **facts: str) -> GateReport:
        """What goes on record, with what became of the violations; bounded, with the exact count."""
        return GateReport(
            passed=self.passed or outcome != "refused",
            commits=self.commits,
            violations=recorded(self.violations, outcome),
            outside=len(self.violations),
            **facts,
        )


def recorded(violations: tuple[Outside, ...], outcome: str) -> tuple[Violation, ...]:
    """Violations as a record holds them; at most ``REPORTED``."""
    return tuple(
        Violation(path=quote_path(one.path), reason=one.reason, commit=one.commit, outcome=outcome)
        for one in violations[:REPORTED]
    )


def inspect(git: Git, objects: Objects, *, base: str, tip: str, target: str, bounds: Bounds) -> Inspection:
    """Hold every commit of a run's own against its bounds.

    Own is what ``tip`` has and neither ``target`` nor ``base``, the commit of the target that the run began from, has.
    """
    git = unbent(git)
    judge = _Judge(bounds)
    own = own_commits(git, objects, tip, [target, base], target, lambda change: bounds.why_outside(change) is not None)
    links: list[tuple[str, Change]] = []
    for one in own:
        for flaw in one.flaws:
            judge.add(b".", flaw, one.commit)
        for change in one.changes:
            judge.look(one.commit, change)
        links += [(one.commit, change) for change in one.changes if is_link(change)]
        if bounds.fold:
            inside = [change for change in one.changes if bounds.why_outside(change) is None]
            for path in clashes(objects, one.commit, inside):
                judge.add(path, "case-clash", one.commit)
    if links:
        for path, commit in escapes(git, tip, links, lambda path: _nobodys(path, fold=bounds.fold)):
            if path not in bounds.named:
                judge.add(path, "symlink-escape", commit)
    return judge.inspection(len(own))


def carried(objects: Objects, onto: str, tree: str, bounds: Bounds) -> Inspection:
    """Paths outside the bounds that the merge of a run into the commit ``onto`` brings, with ``tree`` as its result."""
    judge = _Judge(bounds)
    try:
        for change in differences(objects, objects.commit(onto).tree, tree):
            judge.look("", change)
    except (ValueError, MissingObject):
        judge.add(b".", "malformed-tree", "")
    return judge.inspection(1)


@dataclass(slots=True)
class _Judge:
    bounds: Bounds
    found: dict[tuple[bytes, str], Outside] = field(default_factory=dict)

    def add(self, path: bytes, reason: str, commit: str) -> None:
        self.found.setdefault((path, reason), Outside(path, reason, commit))

    def look(self, commit: str, change: Change) -> None:
        reason = self.bounds.why_outside(change)
        if reason is not None:
            self.add(change.path, reason, commit)

    def inspection(self, commits: int) -> Inspection:
        return Inspection(commits, tuple(self.found.values()))


def _nobodys(path: bytes, *, fold: bool) -> bool:
    return is_planning(path, fold=fold) or is_git_name(path)
