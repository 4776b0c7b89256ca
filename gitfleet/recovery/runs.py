"""Runs that did not come to their end: adopted where that can still be learned, else queued again with work kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.refs import HEADS, zero
from gitfleet.model.run import requeue

if TYPE_CHECKING:
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle


def adoptable(parts: Parts, run: Run) -> Handle | None:
    """The run's last attempt when its end can still be learned: it runs, or its exit is written."""
    directory = parts.layout.attempt(run.instance, len(run.attempts))
    if not directory.is_dir():
        return None
    handle = parts.host.adopt(run.instance, len(run.attempts), directory)
    status = parts.host.status(handle)
    if not status.alive and status.exit is None:
        ended = parts.host.declare_lost(handle)
        if ended is not None and ended.reason == "lost":
            return None
    return handle


def queued_again(parts: Parts, run: Run, why: str) -> tuple[Run, str]:
    """Keep what the run's branch holds, and put the run back: the run as it is then, and a sentence for people."""
    kept = _keep_work(parts, run)
    where = f"; its work so far is kept as {kept}" if kept else ""
    return requeue(run), f"{run.task} is queued again: {why}{where}"


def _keep_work(parts: Parts, run: Run) -> str:
    """Keep what a run's branch holds beyond its base under ``refs/gitfleet/wip/<instance>/<attempt>``.

    Gives the ref; empty where there was nothing to keep.
    """
    tip = parts.refs.read(HEADS + run.branch) if run.branch else None
    if tip is None or tip == run.base:
        return ""
    wip = f"refs/gitfleet/wip/{run.instance}/{len(run.attempts)}"
    parts.refs.update(wip, tip, parts.refs.read(wip) or zero(tip), why="gitfleet: keep an earlier attempt")
    return wip


def published(parts: Parts, session: Session, task: str) -> bool:
    """Whether the record of a task's run is on the target: it is written once, and says how the run ended."""
    tip = parts.refs.read(session.target)
    path = f".planning/sessions/{session.id}/runs/{task}.json".encode()
    return tip is not None and parts.objects.entry(parts.objects.commit(tip).tree, path) is not None
