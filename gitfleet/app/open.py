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


def instances(workspace: Workspace) -> dict[str, Path]:
    """Map instances to the worktrees that carry their names, among those that git lists."""
    from gitfleet.git.worktrees import INSTANCE_FILE, entries  # noqa: PLC0415 - asks git

    found: dict[str, Path] = {}
    for entry in entries(workspace.repository):
        try:
            name = (entry.path / INSTANCE_FILE).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found[name.strip()] = entry.path
    return found


def locate(workspace: Workspace, word: str, session_id: str | None = None) -> OpenReport:
    """Say where the run that an instance or a task names works.

    Raises ``GitfleetError`` (``no-worktree``) when it has no worktree at this moment, and as ``find_run`` does.
    """
    _, run = find_run(State(workspace.layout), word, session_id)
    path = instances(workspace).get(run.instance)
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
