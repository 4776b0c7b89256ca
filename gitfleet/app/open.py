"""Finding the worktree of an instance, and giving a person a shell in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitfleet.app.find import find_run
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.reports import OpenReport
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitfleet.app.workspace import Workspace

MARKER = ".fleet-instance-id"
"""File in a worktree that names the instance it belongs to."""


def worktree_of(workspace: Workspace, instance: str) -> Path | None:
    """Find the worktree that carries the marker of an instance, among those that git lists."""
    from gitfleet.git import worktrees  # noqa: PLC0415 - asks git

    for entry in worktrees.entries(workspace.repository):
        try:
            marker = (entry.path / MARKER).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if marker.strip() == instance:
            return entry.path
    return None


def locate(workspace: Workspace, word: str, session_id: str | None = None) -> OpenReport:
    """Say where the run that an instance or a task names works.

    Raises ``GitfleetError`` (``no-worktree``) when it has no worktree at this moment, and as ``find_run`` does.
    """
    _, run = find_run(State(workspace.layout), word, session_id)
    path = worktree_of(workspace, run.instance) if run.instance else None
    if path is None:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "no-worktree",
            f"The run of {run.task} has no worktree: it is {run.state.value}.",
            hint=f"Its work is on the branch {run.branch}." if run.branch else "It has not started yet.",
        )
    return OpenReport(instance=run.instance, branch=run.branch, path=str(path))


def shell(report: OpenReport, environment: Mapping[str, str]) -> int:
    """Run the person's shell in the worktree and give its exit code.

    ``GITFLEET_OPEN`` marks the shell and all that it starts as a person's, so that nothing of it is ever taken for an
    agent's leftover.
    """
    from pathlib import Path  # noqa: PLC0415

    from gitfleet.runtime.shell import run  # noqa: PLC0415

    program = environment.get("SHELL") or "/bin/sh"
    marked = {**environment, "GITFLEET_OPEN": "1", "GITFLEET_OPEN_INSTANCE": report.instance}
    if not os.access(program, os.X_OK):
        program = "/bin/sh"
    return run([program], Path(report.path), marked)
