"""Planners that work, or whose gitfleet was killed, and what those that are over left: found, ended, thrown away."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.model.reports import CleanItem
from gitfleet.store.files import names
from gitfleet.store.layout import PLANNER
from gitfleet.store.locks import holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.app.workspace import Workspace
    from gitfleet.store.layout import Layout


KEPT_SECONDS = 7 * 24 * 3600
"""How long ``clean`` leaves what a planner left."""


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


def logs(workspace: Workspace, until: float, *, dry_run: bool) -> Iterator[CleanItem]:
    """Throw away what planners left that are over since ``until`` (POSIX seconds), prompts, logs, answers and plans.

    The only copy of a plan may be among it, so nothing goes that is younger than a week.
    """
    from gitfleet.app.clean_pool import bytes_of  # noqa: PLC0415

    layout = workspace.layout
    going_on = begun(layout)
    for name in planners(layout):
        place = layout.attempt(name, 1).parent
        if name in going_on:
            yield CleanItem(kind="log", name=name, removed=False, reason="its planner is not over")
        elif (written := place.stat().st_mtime) > workspace.now() - KEPT_SECONDS:
            yield CleanItem(kind="log", name=name, removed=False, reason="its plan is less than a week old")
        elif written <= until:
            size = bytes_of(place)
            if not dry_run:
                shutil.rmtree(place)
            yield CleanItem(kind="log", name=name, bytes=size, removed=True)
