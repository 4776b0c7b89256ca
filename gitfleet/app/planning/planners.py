"""Planners that work, or whose gitfleet was killed, and those that are over: found and ended."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gitfleet.app.attempt_files import LOCK, last_output
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import decode, seconds_of
from gitfleet.model.reports import Need, PlannerStatus
from gitfleet.model.run import Run
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import names, read_regular, write_private
from gitfleet.store.layout import PLANNER
from gitfleet.store.locks import holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.app.workspace import Workspace
    from gitfleet.store.layout import Layout


STOP_SECONDS = 120.0
_POLL_SECONDS = 0.05


def planners(layout: Layout) -> tuple[str, ...]:
    """All that left something here, by instance."""
    return tuple(name for name in names(layout.root / "attempts") if name.startswith(PLANNER))


def begun(layout: Layout) -> frozenset[str]:
    """Those that are not over: they work, or their gitfleet was killed."""
    return frozenset(name for name in planners(layout) if layout.planning(name).exists())


def abandoned(layout: Layout) -> tuple[str, ...]:
    """Those whose gitfleet was killed: their agent may still run, and their worktree stands."""
    free = [name for name in sorted(begun(layout)) if holder(layout.session_lock(name)) is None]
    # A planner is over before its gitfleet lets go of it, which may be just now.
    return tuple(name for name in free if layout.planning(name).exists())


def is_planner(layout: Layout, word: str) -> bool:
    """Whether a word names one that left something here."""
    return word.startswith(PLANNER) and word in planners(layout)


def run_of(layout: Layout, name: str) -> Run | None:
    """The run of one that works or is over; none of what older versions left, or that cannot be read."""
    for place in (layout.planning(name), layout.planned(name)):  # the one becomes the other
        with suppress(OSError, *UNREADABLE):
            return decode(read_regular(place), Run)
    return None


def agent_runs(layout: Layout, name: str) -> bool:
    """Whether a warden of its calls lives."""
    return any(holder(place / LOCK) is not None for place in layout.attempt(name, 1).parent.glob("[0-9]*"))


def left_behind(layout: Layout) -> Iterator[Need]:
    """Say of each whose gitfleet was killed what ends it; costs no git call."""
    for name in abandoned(layout):
        runs_on = ", and its agent runs on" if agent_runs(layout, name) else ""
        yield Need(
            session=name, reason=f"the gitfleet of this planner was killed{runs_on}", next=f"gitfleet stop {name}"
        )


def working(layout: Layout, now: float) -> Iterator[PlannerStatus]:
    """Say of each that is not over how it stands; costs no git call."""
    for name in sorted(begun(layout)):
        try:
            run = decode(read_regular(layout.planning(name)), Run)
        except (OSError, *UNREADABLE):
            continue
        held = holder(layout.session_lock(name))
        last = run.attempts[-1] if run.attempts else None
        going_on = last is not None and last.exit is None
        directory = layout.attempt(name, len(run.attempts))
        output = last_output(directory) if going_on else None
        yield PlannerStatus(
            instance=name,
            name=run.name,
            agent=run.agent,
            account=last.account if last else "",
            call=len(run.attempts),
            calling=going_on,
            alive=held is not None,
            pid=held.pid if held else None,
            elapsed_seconds=max(0.0, round(now - seconds_of(last.started), 3)) if last and going_on else None,
            last_activity_seconds=max(0.0, round(now - output, 3)) if output is not None else None,
        )


def stop(workspace: Workspace, name: str) -> tuple[Path, tuple[str, ...]]:
    """End a planner; gives where what it said is kept, and sentences on those whose gitfleet was killed.

    Raises ``GitfleetError`` (``still-stopping``).
    """
    layout = workspace.layout
    swept: tuple[str, ...] = ()
    if holder(layout.session_lock(name)) is None:
        swept = tuple(sweep(workspace))
    else:
        write_private(layout.planning_stop(name), b"")
    deadline = time.monotonic() + STOP_SECONDS
    while True:
        # In this order, as in ``abandoned``.
        facts = holder(layout.session_lock(name))
        if name not in begun(layout):
            return layout.planning(name).parent, swept
        if time.monotonic() >= deadline or facts is None:
            message = f"The planner {name} was told to stop, and is not over; {facts or 'nobody'} runs it."
            raise GitfleetError(Kind.BUSY, "still-stopping", message, hint="`gitfleet doctor --fix` ends what is left.")
        time.sleep(_POLL_SECONDS)


def sweep(workspace: Workspace) -> Iterator[str]:
    """End those whose gitfleet was killed; gives sentences for people. What cannot be ended stays abandoned."""
    if not abandoned(workspace.layout):
        return
    from gitfleet.app.sessions.composition import build  # noqa: PLC0415 - hardly ever needed
    from gitfleet.coordinator.planning.calling import planning_task  # noqa: PLC0415
    from gitfleet.coordinator.planning.ending import finish  # noqa: PLC0415
    from gitfleet.git.command import GitFailed  # noqa: PLC0415
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
