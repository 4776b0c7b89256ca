"""The gate: a run's diff held against its scope, commit by commit, so that nothing hides in a net diff."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.paths import quote_path
from gitfleet.model.run import GateReport, Violation

if TYPE_CHECKING:
    from gitfleet.git.objects import Objects
    from gitfleet.planner.scopes import Scope


def inspect(objects: Objects, *, base: str, tip: str, target: str, scope: Scope, fold: bool = False) -> GateReport:
    """Look at every commit of the run's own."""
    del base, fold
    found = []
    commits = objects.walk(tip, [target])
    for oid in commits:
        commit = objects.commit(oid)
        parent = objects.commit(commit.parents[0]).tree if commit.parents else None
        for change in objects.diff(parent, commit.tree):
            if not scope.matches(change.path):
                reason = "out-of-scope"
                if change.path.split(b"/")[0].lower() == b".planning":
                    reason = "planning"
                elif scope.is_empty:
                    reason = "read-only"
                found.append(Violation(path=quote_path(change.path), reason=reason, commit=oid))
    return GateReport(passed=not found, commits=len(commits), violations=tuple(found))


def carried(objects: Objects, commit: str, scope: Scope) -> tuple[Violation, ...]:
    """Paths that a merge commit changes against its first parent outside the scope."""
    facts = objects.commit(commit)
    changes = objects.diff(objects.commit(facts.parents[0]).tree, facts.tree)
    return tuple(
        Violation(path=quote_path(change.path), reason="out-of-scope", commit=commit)
        for change in changes
        if not scope.matches(change.path)
    )
