"""Pause, resume, drain, stop, interrupt and restart, of a session that a coordinator runs and of one that nobody runs.

A coordinator is asked and decides. Where nobody runs the session, this process takes its lock and does the thing
itself (``unattended``). Nobody is waited for longer than some seconds without a word.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from gitfleet.app.find import find_run
from gitfleet.app.steering import unattended
from gitfleet.app.steering.asking import Nobody, Silence, ask, is_stopped, unanswered, withdraw
from gitfleet.app.which import choose, open_sessions
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.request import Control, Reply, Request
from gitfleet.model.session import SessionState
from gitfleet.store.locks import holder
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.coordinator.observer import Observer
    from gitfleet.model.session import Session

STOP_SECONDS = 120.0
"""A ladder takes 13 s, and snapshots of large worktrees and a landing in its last step come after it."""

_POLL_SECONDS = 0.05
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Steered:
    """What became of a control: the session as it is afterwards, and whether a coordinator runs it.

    ``remaining`` are processes that could not be stopped. ``task`` and ``instance`` are the run's, where it was one.
    """

    action: Control
    session: Session
    coordinator: bool
    message: str
    task: str = ""
    instance: str = ""
    remaining: tuple[str, ...] = ()


def steer_session(workspace: Workspace, wanted: str | None, action: Control, observer: Observer) -> Steered:
    """Pause, resume, drain or stop an open session.

    Raises ``GitfleetError``: usage where there is no such open session or it refuses, busy where its coordinator does
    not answer.
    """
    session = choose(State(workspace.layout), wanted)
    if session is None:
        raise GitfleetError(
            Kind.USAGE,
            "no-open-session",
            f"The session {wanted} is closed." if wanted else f"There is no open session to {action}.",
        )
    return _steer(workspace, session, Request(id=secrets.token_hex(8), control=action), observer)


def steer_run(workspace: Workspace, word: str, wanted: str | None, action: Control, observer: Observer) -> Steered:
    """Interrupt or restart the run that an instance or a task names; raises like ``steer_session``."""
    session, run = find_run(State(workspace.layout), word, wanted)
    if session.state is SessionState.COMPLETED:
        raise GitfleetError(
            Kind.USAGE,
            "session-closed",
            f"The session {session.id} of {word} is closed, and its records are written.",
            hint="A new plan runs the task again.",
        )
    request = Request(id=secrets.token_hex(8), control=action, task=run.task)
    steered = _steer(workspace, session, request, observer)
    instance = State(workspace.layout).read_run(session.id, run.task).instance
    return replace(steered, task=run.task, instance=instance)


def stop_all(workspace: Workspace, observer: Observer) -> tuple[list[Steered], dict[str, GitfleetError]]:
    """Stop every open session; what could not be stopped is given by session, and keeps no other from being stopped."""
    stopped: list[Steered] = []
    failed: dict[str, GitfleetError] = {}
    sessions = open_sessions(State(workspace.layout))
    # All are told first, so that together they take as long as the slowest.
    for session in sessions:
        _tell(workspace, session)
    for session in sessions:
        request = Request(id=secrets.token_hex(8), control=Control.STOP)
        try:
            stopped.append(_steer(workspace, session, request, observer))
        except GitfleetError as error:
            failed[session.id] = error
    return stopped, failed


def _tell(workspace: Workspace, session: Session) -> None:
    if holder(workspace.layout.session_lock(session.id)) is None:
        return
    request = Request(id=secrets.token_hex(8), control=Control.STOP)
    try:
        answer = ask(workspace.layout, session.id, request, seconds=1.0)
    except GitfleetError:
        return
    if not isinstance(answer, Reply):
        withdraw(workspace.layout, session.id, request)


def _steer(workspace: Workspace, session: Session, request: Request, observer: Observer) -> Steered:
    action = request.control
    assert action is not None  # noqa: S101 - this module makes the requests
    for left in reversed(range(_TRIES)):
        if holder(workspace.layout.session_lock(session.id)) is not None:
            reply = _asked(workspace, session, request)
            if reply is not None:
                return _answered(workspace, session, action, reply)
        try:
            return _unattended(workspace, session, request, action, observer)
        except GitfleetError as error:
            # Somebody took the session up in this moment: they are asked.
            if error.code != "locked" or not left:
                raise
    msg = "the last try returns or raises"
    raise AssertionError(msg)


def _asked(workspace: Workspace, session: Session, request: Request) -> Reply | None:
    """The coordinator's answer; none when it went away before it gave one."""
    answer = ask(workspace.layout, session.id, request)
    match answer:
        case Reply():
            return answer
        case Nobody():
            withdraw(workspace.layout, session.id, request)
            return None
        case Silence(facts):
            if request.control is Control.RESTART and not is_stopped(facts):
                message = f"Session {session.id} is landing; it takes this up right afterwards."
                return Reply(id=request.id, task=request.task, message=message)
            withdraw(workspace.layout, session.id, request)
            raise unanswered(session.id, facts)
        case _:
            assert_never(answer)


def _answered(workspace: Workspace, session: Session, action: Control, reply: Reply) -> Steered:
    state = State(workspace.layout)
    if action is not Control.STOP:
        return Steered(action, state.read_session(session.id), coordinator=True, message=reply.message)
    _wait_for_end(workspace, session)
    after = state.read_session(session.id)
    return Steered(
        action,
        after,
        coordinator=False,
        message=unattended.stopped_words(after),
        remaining=unattended.remaining(state.read_runs(session.id).values()),
    )


def _wait_for_end(workspace: Workspace, session: Session) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while (facts := holder(workspace.layout.session_lock(session.id))) is not None:
        if time.monotonic() >= deadline:
            raise GitfleetError(
                Kind.BUSY,
                "still-stopping",
                f"Session {session.id} was told to stop {STOP_SECONDS:.0f} s ago; process {facts.pid} is still at it.",
                hint="`gitfleet status` shows what it waits for.",
            )
        time.sleep(_POLL_SECONDS)


def _unattended(
    workspace: Workspace, session: Session, request: Request, action: Control, observer: Observer
) -> Steered:
    match action:
        case Control.PAUSE | Control.RESUME | Control.DRAIN:
            done = unattended.mark(workspace, session, action, observer)
        case Control.STOP:
            done = unattended.stop(workspace, session, observer)
        case Control.INTERRUPT:
            done = unattended.interrupt(workspace, session, request.task)
        case Control.RESTART:
            done = unattended.restart(workspace, session, request, observer)
        case _:
            assert_never(action)
    return Steered(action, done.session, coordinator=False, message=done.message, remaining=done.remaining)
