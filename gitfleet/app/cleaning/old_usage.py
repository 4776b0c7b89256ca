"""Usage rows as `clean` sees them: evidence that outlives its session, but not for ever; and books that a day needs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gitfleet.app.cleaning.sizes import bytes_of
from gitfleet.coordinator.spending.day import midnight
from gitfleet.model.base import seconds_of
from gitfleet.model.reports import CleanItem
from gitfleet.store.state import State
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitfleet.app.workspace import Workspace
    from gitfleet.model.run import Run

KEPT_SECONDS = 90 * 24 * 3600
"""How long rows are kept after the last of their session was written."""


def needed_today(workspace: Workspace, runs: Mapping[str, Run]) -> str:
    """Why the budget of the day needs these books still; rows do not say what was reserved, nor commands' time."""
    today = midnight(workspace.now())
    began = (seconds_of(attempt.started) >= today for run in runs.values() for attempt in run.attempts)
    needed = workspace.config.budgets.day.said() and any(began)
    return "what it used counts in the budget of the day until midnight" if needed else ""


def old_rows(workspace: Workspace, until: float, *, dry_run: bool) -> Iterator[CleanItem]:
    """Throw away rows whose session is gone, written before ``until`` (POSIX seconds) and not in the last months."""
    layout = workspace.layout
    known = set(State(layout).session_ids())
    for name in UsageStore(layout).sessions():
        place = layout.usage / name
        written = max((path.stat().st_mtime for path in place.iterdir()), default=0.0)
        if name in known or written > min(until, workspace.now() - KEPT_SECONDS):
            continue
        size = bytes_of(place)
        if not dry_run:
            shutil.rmtree(place)
        yield CleanItem(kind="usage", name=name, bytes=size, removed=True, reason="its rows are older than 90 days")
