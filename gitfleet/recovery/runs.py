"""Runs that did not come to their end: adopted where that can still be learned, else queued again with work kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.refs import HEADS
from gitfleet.model.run import RunState, record, requeue
from gitfleet.recovery.keeping import keep_tip, keep_tree, noted, where_kept
from gitfleet.runtime.attempt import WARDEN

if TYPE_CHECKING:
    from gitfleet.git.objects import Objects
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
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
    if not status.alive:
        # Declared lost before, by one that died of it: it says no more than that does now.
        ended = status.exit or parts.host.declare_lost(handle)
        if ended is not None and ended.reason == "lost" and not (once and (directory / WARDEN).exists()):
            parts.host.clean_up(handle)
            return None
    return handle


def lost(parts: Parts, run: Run) -> Run:
    """The run with what is known of how its last attempt ended, where that began: that it was lost, and what remains.

    Its tree is not for others while processes of it remain, and what it may have used counts.
    """
    directory = parts.layout.attempt(run.instance, len(run.attempts))
    ended = parts.host.status(parts.host.adopt(run.instance, len(run.attempts), directory)).exit
    if ended is None or ended.never_ran:
        return run
    return record(run, attempts=(*run.attempts[:-1], msgspec.structs.replace(run.attempts[-1], exit=ended)))


def queued_again(
    parts: Parts, run: Run, why: str, objects: Objects | None = None, /, **facts: object
) -> tuple[Run, str]:
    """Keep what the run's tree and branch hold, and put the run back: the run as it is then, and a sentence for people.

    ``objects`` are the caller's own where it is not the coordinator's thread. What the attempt reported and changed
    moves into its own record. Raises ``GitfleetError`` (``work-not-kept``) where not even its commits could be kept:
    its branch is about to start anew.
    """
    if run.attempts:
        objects = objects or parts.objects
        run = noted(run, keep_tree(parts, objects, run, why))
        tip = parts.refs.read(HEADS + run.branch) if run.branch else None
        if tip is not None and run.attempts[-1].unkept:
            _keep_commits(parts, objects, run, tip, why)
        words = f"retried as attempt {len(run.attempts) + 1}: {why}"
        last = msgspec.structs.replace(run.attempts[-1], retry=words, handoff=run.handoff, files=run.files)
        if run.conflicts:
            last = msgspec.structs.replace(last, tip=run.tip, conflicts=run.conflicts)
        facts = {"attempts": (*run.attempts[:-1], last), "going_on": _goes_on(run), **facts}
    kept = where_kept(run)
    return requeue(run, **facts), f"{run.task} is queued again: {why}{f'; {kept}' if kept else ''}"


def _goes_on(run: Run) -> bool:
    """Whether the next attempt is to go on where this one was: nobody saw its end, or it was to go on itself."""
    return run.state is RunState.RUNNING or (run.state is RunState.PREPARING and bool(run.attempts[-1].continues))


def _keep_commits(parts: Parts, objects: Objects, run: Run, tip: str, why: str) -> None:
    """The tree could not be kept whole and stays as it is; the branch does not stay, so its commits must be."""
    try:
        keep_tip(parts, objects, run, tip, why)
    except OSError as error:
        message = f"The work of {run.instance} could not be kept: {error}"
        hint = f"Its branch {run.branch} and its worktree are as they were; `gitfleet continue` tries again."
        raise GitfleetError(Kind.ENVIRONMENT, "work-not-kept", message, hint=hint) from error


def published(parts: Parts, session: Session, task: str) -> bool:
    """Whether the record of a task's run is on the target: it is written once, and says how the run ended."""
    tip = parts.refs.read(session.target)
    path = f".planning/sessions/{session.id}/runs/{task}.json".encode()
    return tip is not None and parts.objects.entry(parts.objects.commit(tip).tree, path) is not None
