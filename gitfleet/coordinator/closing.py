"""The end of a session: completed, or saved for a person to continue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.coordinator.machine import refused
from gitfleet.coordinator.trains.integration_worktree import drop_worktree, integration_path
from gitfleet.model.config import Publish
from gitfleet.model.event import EventKind
from gitfleet.model.run import FailureSource, RunState
from gitfleet.model.session import SessionState, move
from gitfleet.relay.momentum import share

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.coordinator.books import Books
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts


@dataclass(slots=True)
class Halt:
    """Why the session stops before its plan is done.

    ``interrupted`` when a person stopped it, so that its agents were stopped too; ``for_good`` when that was `gitfleet
    stop`, which also takes a pause back.
    """

    reason: str
    interrupted: bool = False
    for_good: bool = False


def broken(parts: Parts, error: BaseException, halt: Halt | None) -> Halt:
    """Why the session stops after a thread broke: ``halt``, or the machine; raises the error if that is not to blame.

    What the thread did not come to say stays in the books as it was, which is where `continue` takes it up.
    """
    found = refused(parts, error) if isinstance(error, Exception) else None
    if found is None:
        raise error
    return halt or Halt(found.why)


def nothing_can_run(books: Books, task: str) -> Halt | None:
    """A wave whose every agent failed by transport says that the machine is to blame, not the tasks (DESIGN 8)."""
    run = books.runs[task]
    if any(other.wave == run.wave and not _by_transport(other) for other in books.runs.values()):
        return None
    return Halt(f"No agent of wave {run.wave} could run: {run.failure.message if run.failure else ''}")


def _by_transport(run: Run) -> bool:
    return run.sealed and run.failure is not None and run.failure.source is FailureSource.TRANSPORT


def close(parts: Parts, books: Books, halt: Halt | None, publish: Callable[[Session], None]) -> None:
    """Write how the session ended, release what it held, and take away a tree that holds nothing of anybody's."""
    if halt is not None:
        if books.session.state is SessionState.PAUSED and not halt.for_good:
            # A pause is a person's word, and outlasts the process that it was said to.
            books.update(reason=halt.reason)
        else:
            books.move(SessionState.NEEDS_CONTINUE, reason=halt.reason)
        words = f"session {books.session.id} stopped: {halt.reason}"
        books.event(EventKind.SESSION_END, words, status=str(books.session.state))
        books.checkpoint("needs continue")
        return
    ended = books.session.ended or books.now()
    found = parts.state.read_discoveries(books.session.id)
    closed = move(books.session, SessionState.COMPLETED, ended=ended, reason="")
    # Momentum first: once session.md says completed, another session's landing may publish both, or never the second.
    parts.state.write_momentum(parts.proof, share(closed, books.runs.values(), found))
    if parts.config.planning.publish is Publish.ALWAYS:
        # What is published and what the state says must not differ by the time of a second try.
        books.update(ended=ended)
        publish(closed)
    drop_worktree(parts, integration_path(parts, books.session))
    # Last: `continue` looks at a session until it is completed, and never again.
    books.move(SessionState.COMPLETED, ended=ended, reason="")
    landed = books.counts()[RunState.LANDED]
    words = f"session {books.session.id} completed: {landed} of {len(books.runs)} landed"
    books.event(EventKind.SESSION_END, words, status="completed")
    books.checkpoint("closed")
