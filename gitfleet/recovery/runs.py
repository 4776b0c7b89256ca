"""Runs that did not come to their end: adopted where that can still be learned, else queued again with work kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitfleet.git.refs import HEADS, zero
from gitfleet.model.run import requeue
from gitfleet.runtime.attempt import WARDEN

if TYPE_CHECKING:
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle


def adoptable(parts: Parts, run: Run, *, once: bool = False) -> Handle | None:
    """The run's last attempt when its end can still be learned: it runs, or its exit is written.

    Of a task that must be done ``once`` at most, so is one that may have begun and was lost: it is not to be repeated.
    """
    directory = parts.layout.attempt(run.instance, len(run.attempts))
    if not directory.is_dir():
        return None
    handle = parts.host.adopt(run.instance, len(run.attempts), directory)
    status = parts.host.status(handle)
    if not status.alive and status.exit is None:
        ended = parts.host.declare_lost(handle)
        if ended is not None and ended.reason == "lost" and not (once and (directory / WARDEN).exists()):
            return None
    return handle


def queued_again(parts: Parts, run: Run, why: str, **facts: object) -> tuple[Run, str]:
    """Keep what the run's branch holds, and put the run back: the run as it is then, and a sentence for people.

    What the attempt reported and changed moves into its own record, with the ref that keeps its work.
    """
    kept = _keep_work(parts, run)
    where = f"; its work so far is kept as {kept}" if kept else ""
    if run.attempts:
        words = f"retried as attempt {len(run.attempts) + 1}: {why}"
        last = msgspec.structs.replace(
            run.attempts[-1], retry=words, handoff=run.handoff, files=run.files, kept=kept or run.attempts[-1].kept
        )
        facts = {"attempts": (*run.attempts[:-1], last), **facts}
    return requeue(run, **facts), f"{run.task} is queued again: {why}{where}"


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
