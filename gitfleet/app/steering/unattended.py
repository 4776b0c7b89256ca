"""Controls of a session that nobody coordinates: done here, under its lock, as its coordinator would do them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.app.sessions.resume import opened, schedule_of, scopes_of, take_up
from gitfleet.coordinator.attempt.attempts import handle_of
from gitfleet.coordinator.books import Books
from gitfleet.coordinator.claiming import Claiming
from gitfleet.coordinator.control.amendments import Amendments
from gitfleet.coordinator.control.ending import end_all
from gitfleet.coordinator.control.steering import STOPPED
from gitfleet.coordinator.observer import Interrupts
from gitfleet.coordinator.parking import Parking
from gitfleet.coordinator.restarting import restart as queue_again
from gitfleet.coordinator.retrying import Retrying
from gitfleet.coordinator.settling import Settling
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.event import EventKind
from gitfleet.model.request import Control
from gitfleet.model.run import LIVE, UNDER_WAY, RunState
from gitfleet.model.session import SessionState
from gitfleet.model.words import plural
from gitfleet.recovery.reconcile import finish_verdicts
from gitfleet.runtime.hosts.base import Handle
from gitfleet.runtime.hosts.local import LocalHost
from gitfleet.store.journal import Journal
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.app.sessions.resume import Opened
    from gitfleet.app.workspace import Workspace
    from gitfleet.coordinator.observer import Observer
    from gitfleet.model.request import Reply, Request
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: the session afterwards, a sentence, and processes that could not be stopped."""

    session: Session
    message: str
    remaining: tuple[str, ...] = ()


def mark(workspace: Workspace, session: Session, action: Control, observer: Observer) -> Done:
    """Pause or resume a session that nobody runs; a drain has nothing to wait for, and changes nothing."""
    command = f"gitfleet {action}"
    with opened(workspace, session, command=command) as here:
        books = _books(here, session, observer)
        state, name = books.session.state, books.session.id
        again = f"`gitfleet continue {name}`"
        match action:
            case Control.PAUSE:
                if state is not SessionState.PAUSED:
                    books.move(SessionState.PAUSED)
                    books.event(
                        EventKind.CONTROL, "paused: nothing new starts until `gitfleet resume`", status="paused"
                    )
                message = f"Session {name} is paused, and nobody runs it; {again} lands what ran and starts nothing."
            case Control.RESUME:
                if state is SessionState.PAUSED:
                    books.move(SessionState.NEEDS_CONTINUE, reason="it was resumed, and nobody runs it")
                    books.event(EventKind.CONTROL, "resumed; nobody runs it", status="needs-continue")
                    message = f"Session {name} is not paused any more; {again} goes on with it."
                else:
                    message = f"Session {name} is not paused, and nobody runs it; {again} goes on with it."
            case _:
                message = (
                    f"Nobody runs session {name}, so nothing new starts. To land what ran and stop there: "
                    f"`gitfleet pause {name}`, then {again}."
                )
        alive = _alive(here, books.runs.values())
        if alive:
            message += f" {plural(len(alive), 'agent')} of it still {'runs' if len(alive) == 1 else 'run'}."
        return Done(books.session, message)


def stop(workspace: Workspace, session: Session, observer: Observer) -> Done:
    """End every agent that outlived its coordinator, keep its work, let claims go, and save."""
    with opened(workspace, session, command="gitfleet stop") as here:
        books = _books(here, session, observer)
        # Before anything that can be refused: whatever else is wrong with a session, its agents are stopped.
        alive = _alive(here, books.runs.values())
        end_all(here.parts, [books.runs[task] for task in alive], "before it was stopped")
        for handle in alive.values():
            here.parts.host.wait(handle)
        started = any(run.state in UNDER_WAY for run in books.runs.values())
        if not started and books.session.state is SessionState.NEEDS_CONTINUE:
            message = f"Nothing of session {session.id} runs: it was saved already."
            return Done(books.session, message, remaining(books.runs.values()))
        interrupts = Interrupts()
        interrupts.request(STOPPED, for_good=True)
        outcome = take_up(here, books.session, observer, interrupts)
        return Done(outcome.session, stopped_words(outcome.session), remaining(outcome.runs.values()))


def interrupt(workspace: Workspace, session: Session, task: str) -> Done:
    """Send one agent what Ctrl-C sends; needs no lock, since it changes nothing that is written down."""
    layout = workspace.layout
    run = State(layout).read_run(session.id, task)
    number = len(run.attempts)
    handle = Handle(run.instance, number, layout.attempt(run.instance, number)) if number else None
    if run.state is not RunState.RUNNING or handle is None or not LocalHost().interrupt(handle):
        raise GitfleetError(
            Kind.USAGE, "not-running", f"{task} is {run.state}, and no agent of it runs; there is nothing to interrupt."
        )
    message = f"{task} was sent what Ctrl-C sends ({run.instance})"
    journal = Journal(layout, session.id, workspace.now)
    journal.event(EventKind.CONTROL, message, wave=run.wave, task=task, instance=run.instance, status="interrupt")
    return Done(session, f"{message}; nobody runs session {session.id}.")


def restart(workspace: Workspace, session: Session, request: Request, observer: Observer) -> Done:
    """Stop one agent with the ladder, keep its work, and queue its run again for the next `continue`."""
    with opened(workspace, session, command="gitfleet restart") as here:
        parts, books = here.parts, _books(here, session, observer)
        run = books.runs[request.task]
        settling = Settling(parts, books, Claiming(parts, books.session), Retrying(parts, books))
        if run.state in UNDER_WAY:
            _end(here, books, run)
        schedule = schedule_of(books.session, books.runs)
        scopes = scopes_of(here, books.session)
        reply, _ = queue_again(
            settling, Amendments(parts, session.id), schedule, scopes, _current_wave(books.runs.values()), request
        )
        if reply.error:
            raise GitfleetError(Kind.USAGE, reply.error, reply.message)
        if books.session.state is SessionState.COMPLETED:
            msg = "a closed session is refused before"
            raise AssertionError(msg)
        message = f"{reply.message} `gitfleet continue {session.id}` starts it."
        return Done(books.session, message, remaining([books.runs[request.task]]))


def permit(workspace: Workspace, session: Session, request: Request, observer: Observer) -> Reply:
    """Say to a parked run of a session that nobody runs what a person says; raises where the session refuses."""
    assert request.permit is not None  # noqa: S101 - the caller made the request
    with opened(workspace, session, command=f"gitfleet {request.permit}") as here:
        books = _books(here, session, observer)
        settling = Settling(here.parts, books, Claiming(here.parts, books.session), Retrying(here.parts, books))
        reply = Parking(books, settling).answer(request, request.permit)
        if reply.error:
            raise GitfleetError(Kind.USAGE, reply.error, reply.message)
        books.write_session()
        return reply


def _end(here: Opened, books: Books, run: Run) -> None:
    """Make an attempt that was under way one that is over, its work on its branch."""
    parts = here.parts
    handle = handle_of(parts, run)
    if run.state is RunState.PREPARING:
        books.advance(run.task, RunState.FAILED)
        return
    end_all(parts, [run], "before it was restarted")
    last = msgspec.structs.replace(
        run.attempts[-1], exit=parts.host.wait(handle), ended=books.now(), outcome="restarted"
    )
    if run.state is RunState.RUNNING:
        run = books.advance(run.task, RunState.FINISHED, attempts=(*run.attempts[:-1], last))
    else:
        run = books.record(run.task, attempts=(*run.attempts[:-1], last))
    parts.host.clean_up(handle)


def _current_wave(runs: Iterable[Run]) -> int:
    return min((run.wave for run in runs if not run.sealed), default=1)


def _books(here: Opened, session: Session, observer: Observer) -> Books:
    """The books as they are now that the lock is held. Raises ``GitfleetError`` where the session is over."""
    state = here.parts.state
    now = state.read_session(session.id)
    if now.state is SessionState.COMPLETED:
        raise GitfleetError(
            Kind.USAGE, "session-closed", f"Session {session.id} completed meanwhile; nothing was changed."
        )
    runs = dict(state.read_runs(session.id))
    # First, or what is asked for now would be overwritten by what was decided before.
    finish_verdicts(here.parts, session.id, runs)
    return Books(here.parts, now, here.plan, {task.id: runs[task.id] for task in here.plan.tasks}, observer)


def _alive(here: Opened, runs: Iterable[Run]) -> dict[str, Handle]:
    """The attempts that run, by task."""
    handles = {run.task: handle_of(here.parts, run) for run in runs if run.state in LIVE and run.attempts}
    return {task: handle for task, handle in handles.items() if here.parts.host.status(handle).alive}


def remaining(runs: Iterable[Run]) -> tuple[str, ...]:
    """Processes of stopped attempts that could not be made to go, by task."""
    found = [
        (run.task, run.attempts[-1].exit)
        for run in runs
        if run.attempts and run.attempts[-1].outcome in {"interrupted", "restarted"}
    ]
    return tuple(f"{task}: {name}" for task, exit_ in found if exit_ is not None for name in exit_.remaining)


def stopped_words(session: Session) -> str:
    """Say how a session stands that was told to stop."""
    if session.state is SessionState.COMPLETED:
        return f"Session {session.id} completed before it could be stopped."
    return f"Session {session.id} is stopped and saved; `gitfleet continue {session.id}` goes on with it."
