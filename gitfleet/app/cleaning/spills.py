"""Spill branches of any session: named by ``clean`` and never removed, since each is the only copy of work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.integrate.gate.spilling import spill_prefix
from gitfleet.model.reports import CleanItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.app.workspace import Workspace


def spills(workspace: Workspace) -> Iterator[CleanItem]:
    """Yield each one with the command by which a person says that it is not needed any more."""
    place = f"refs/heads/{spill_prefix(workspace.config.branch_prefix)}/"
    names = workspace.repository.git.run("for-each-ref", "--format=%(refname:short)", place).text
    for name in filter(None, names.split("\n")):
        reason = f"it is the only copy of spilled work; once you have what you want of it: git branch -D {name}"
        yield CleanItem(kind="branch", name=name, removed=False, reason=reason)
