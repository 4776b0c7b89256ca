"""Finding the worktree of an instance, and giving a person a shell in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.app.find import find_run
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.evidence import WIP
from gitfleet.model.reports import OpenReport
from gitfleet.store.leases import Leases
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.app.workspace import Workspace
    from gitfleet.model.lease import Lease
    from gitfleet.model.run import Run
    from gitfleet.store.layout import Layout


def leased(layout: Layout) -> dict[str, Lease]:
    """Map instances to the slots of the pool that they have: to the one of their last attempt."""
    found: dict[str, Lease] = {}
    for lease in Leases(layout).live().values():
        if lease is not None and (lease.instance not in found or found[lease.instance].attempt < lease.attempt):
            found[lease.instance] = lease
    return found


def instances(workspace: Workspace) -> dict[str, Path]:
    """Map instances to their trees, among those that are there."""
    trees = {instance: Path(lease.place) for instance, lease in leased(workspace.layout).items()}
    return {instance: path for instance, path in trees.items() if path.is_dir()}


def locate(workspace: Workspace, word: str, session_id: str | None = None) -> OpenReport:
    """Say where the run that an instance or a task names works.

    Raises ``GitfleetError`` (``no-worktree``) when it has no worktree at this moment, and as ``find_run`` does.
    """
    _, run = find_run(State(workspace.layout), word, session_id)
    path = instances(workspace).get(run.instance) or _set_aside(workspace, run.instance)
    if path is None:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "no-worktree",
            f"The run of {run.task} has no worktree{_since_when(workspace, run)}: it is {run.state.value}.",
            hint=_instead(run),
        )
    return OpenReport(instance=run.instance, branch=run.branch, path=str(path))


def _set_aside(workspace: Workspace, instance: str) -> Path | None:
    """The tree of an instance that was taken out of the pool for a person to look at."""
    trees = Leases(workspace.layout).set_aside().values()
    return next((Path(tree.place) for tree in trees if instance and tree.instance == instance), None)


def _since_when(workspace: Workspace, run: Run) -> str:
    slot = run.attempts[-1].worktree if run.attempts else ""
    held = Leases(workspace.layout).live().get(slot) if slot else None
    if held is not None and held.instance != run.instance:
        return f" any more, since {slot} was given to {held.instance}"
    return " any more" if slot else ""


def _instead(run: Run) -> str:
    """Where the work is that was in the tree."""
    kept = [ref for attempt in run.attempts for ref in attempt.snapshots]
    if kept:
        name = kept[-1].removeprefix(WIP)
        return f"Its work is on the branch {run.branch}, and in a snapshot: gitfleet rescue show {name}"
    return f"Its work is on the branch {run.branch}." if run.branch else "It has not started yet."


def shell(report: OpenReport, environment: Mapping[str, str]) -> int:
    """Run the person's shell in the worktree and give its exit code.

    ``GITFLEET_OPEN`` marks the shell and all that it starts as a person's, so that nothing of it is ever taken for an
    agent's leftover.
    """
    from gitfleet.runtime.shell import run  # noqa: PLC0415

    program = environment.get("SHELL") or "/bin/sh"
    marked = {**environment, "GITFLEET_OPEN": "1", "GITFLEET_OPEN_INSTANCE": report.instance}
    if not os.access(program, os.X_OK):
        program = "/bin/sh"
    return run([program], Path(report.path), marked)
