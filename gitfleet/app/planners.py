"""Planners that work, or whose gitfleet was killed, and those that are over: found and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.store.files import names
from gitfleet.store.layout import PLANNER
from gitfleet.store.locks import holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.app.workspace import Workspace
    from gitfleet.store.layout import Layout


def planners(layout: Layout) -> tuple[str, ...]:
    """All that left something here, by instance."""
    return tuple(name for name in names(layout.root / "attempts") if name.startswith(PLANNER))


def begun(layout: Layout) -> frozenset[str]:
    """Those that are not over: they work, or their gitfleet was killed."""
    return frozenset(name for name in planners(layout) if layout.planning(name).exists())


def abandoned(layout: Layout) -> tuple[str, ...]:
    """Those whose gitfleet was killed: their agent may still run, and their worktree stands."""
    return tuple(name for name in sorted(begun(layout)) if holder(layout.session_lock(name)) is None)


def sweep(workspace: Workspace) -> Iterator[str]:
    """End those whose gitfleet was killed; gives sentences for people. What cannot be ended stays abandoned."""
    if not abandoned(workspace.layout):
        return
    from gitfleet.app.composition import build  # noqa: PLC0415 - hardly ever needed
    from gitfleet.coordinator.planning.calling import planning_task  # noqa: PLC0415
    from gitfleet.coordinator.planning.ending import finish  # noqa: PLC0415
    from gitfleet.git.command import GitFailed  # noqa: PLC0415
    from gitfleet.model.base import decode  # noqa: PLC0415
    from gitfleet.model.run import Run  # noqa: PLC0415
    from gitfleet.store.locks import session_lock  # noqa: PLC0415

    for name in abandoned(workspace.layout):
        try:
            with session_lock(workspace.layout, name, command="gitfleet plan") as proof:
                run = decode(workspace.layout.planning(name).read_bytes(), Run)
                parts = build(workspace, workspace.config, name, proof, fold=False)
                try:
                    notes = finish(parts, run, planning_task(run.agent, parts.config))
                finally:
                    parts.objects.close()
        except (GitfleetError, GitFailed, OSError, ValueError):  # such as somebody else who does it now
            continue
        yield f"the planner {name}, whose gitfleet was killed, is over"
        yield from notes
