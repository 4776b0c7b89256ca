"""Add a task to an open session, or cancel a queued one, whether or not its coordinator runs."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from gitfleet.app.load import load_plan
from gitfleet.app.resume import choose
from gitfleet.coordinator.amendments import requests
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.model.base import decode, encode
from gitfleet.model.session import Amendment, AmendmentReply, SessionState
from gitfleet.store.files import make_directory, remove_durable, write_durable
from gitfleet.store.locks import holder
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.model.session import Session

ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.05


def add(workspace: Workspace, wanted: str | None, document: bytes, name: str) -> AmendmentReply:
    """Ask an open session to take one more task; ``document`` is a plan with exactly that task.

    Raises ``GitfleetError`` when there is no open session, the document is wrong, or the session refuses the task.
    """
    session = _open(workspace, wanted)
    fold = preflight.folds_case(workspace.repository.git)
    plan = load_plan(document, name, workspace.config, fold=fold, outside=_known_tasks(workspace, session))
    if len(plan.tasks) != 1:
        raise GitfleetError(
            Kind.USAGE, "one-task", f"{name} has {len(plan.tasks)} tasks; `gitfleet add` takes one at a time."
        )
    return _ask(workspace, session, Amendment(id=secrets.token_hex(8), add=plan.tasks[0]))


def cancel(workspace: Workspace, wanted: str | None, task: str) -> AmendmentReply:
    """Ask an open session to cancel a queued task; raises ``GitfleetError`` when it refuses."""
    session = _open(workspace, wanted)
    return _ask(workspace, session, Amendment(id=secrets.token_hex(8), cancel=task))


def _open(workspace: Workspace, wanted: str | None) -> Session:
    session = choose(workspace, wanted)
    if session is None:
        raise GitfleetError(Kind.USAGE, "no-open-session", "There is no open session to change.")
    return session


def _known_tasks(workspace: Workspace, session: Session) -> frozenset[str]:
    return frozenset(State(workspace.layout).read_runs(session.id))


def _ask(workspace: Workspace, session: Session, amendment: Amendment) -> AmendmentReply:
    """Leave the request, and wait for the coordinator's answer when one runs; else `continue` takes it up."""
    directory = requests(workspace.layout.session(session.id))
    make_directory(directory)
    request = directory / f"{amendment.id}.request"
    answer = directory / f"{amendment.id}.reply"
    write_durable(request, encode(amendment))
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        # In this order: a coordinator answers before it lets go of the session.
        running = holder(workspace.layout.session_lock(session.id)) is not None
        if answer.exists():
            reply = decode(answer.read_bytes(), AmendmentReply)
            remove_durable(answer)
            if reply.error:
                raise GitfleetError(Kind.USAGE, reply.error, reply.message)
            return reply
        if not running or time.monotonic() >= deadline:
            break
        time.sleep(POLL_SECONDS)
    if State(workspace.layout).read_session(session.id).state is SessionState.COMPLETED:
        remove_durable(request)
        raise GitfleetError(
            Kind.USAGE, "session-closed", f"Session {session.id} completed meanwhile; nothing was changed."
        )
    task = amendment.add.id if amendment.add else amendment.cancel
    if running:
        message = f"Session {session.id} is landing; it takes this up right afterwards."
    else:
        message = f"Nobody runs session {session.id} now; `gitfleet continue` takes this up first."
    return AmendmentReply(id=amendment.id, task=task, message=message)
