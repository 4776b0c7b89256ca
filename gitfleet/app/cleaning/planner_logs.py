"""What planners left that are over: kept for a week, since the only copy of a plan may be among it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gitfleet.app.cleaning.sizes import bytes_of
from gitfleet.app.planning.planners import begun, planners
from gitfleet.model.reports import CleanItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.app.workspace import Workspace

KEPT_SECONDS = 7 * 24 * 3600
"""How long ``clean`` leaves what a planner left."""


def planner_logs(workspace: Workspace, until: float, *, dry_run: bool) -> Iterator[CleanItem]:
    """Throw away what planners left that are over since ``until`` (POSIX seconds), prompts, logs, answers and plans.

    The only copy of a plan may be among it, so nothing goes that is younger than a week.
    """
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
