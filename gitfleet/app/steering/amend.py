"""Add a task to an open session, or cancel a queued one, whether or not its coordinator runs."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, assert_never

from gitfleet.app.load import load_plan
from gitfleet.app.sessions.preflight import refuse_told
from gitfleet.app.sessions.resume import choose
from gitfleet.app.steering.asking import Nobody, Silence, ask, is_stopped, unanswered, withdraw
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.model.request import Reply, Request
from gitfleet.model.session import SessionState
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.model.session import Session


def add(workspace: Workspace, wanted: str | None, document: bytes, name: str) -> Reply:
    """Ask an open session to take one more task; ``document`` is a plan with exactly that task.

    Raises ``GitfleetError`` when there is no open session, the document is wrong or holds a secret of
    an account, or the session refuses the task.
    """
    session = _open(workspace, wanted)
    fold = preflight.folds_case(workspace.repository.git)
    plan = load_plan(document, name, workspace.config, fold=fold, outside=_known_tasks(workspace, session))
    if len(plan.tasks) != 1:
        raise GitfleetError(
            Kind.USAGE, "one-task", f"{name} has {len(plan.tasks)} tasks; `gitfleet add` takes one at a time."
        )
    refuse_told(plan.tasks, workspace.now, name)
    return _ask(workspace, session, Request(id=secrets.token_hex(8), add=plan.tasks[0]))


def cancel(workspace: Workspace, wanted: str | None, task: str) -> Reply:
    """Ask an open session to cancel a queued task; raises ``GitfleetError`` when it refuses."""
    session = _open(workspace, wanted)
    return _ask(workspace, session, Request(id=secrets.token_hex(8), cancel=task))


def _open(workspace: Workspace, wanted: str | None) -> Session:
    session = choose(workspace, wanted)
    if session is None:
        raise GitfleetError(Kind.USAGE, "no-open-session", "There is no open session to change.")
    return session


def _known_tasks(workspace: Workspace, session: Session) -> frozenset[str]:
    return frozenset(State(workspace.layout).read_runs(session.id))


def _ask(workspace: Workspace, session: Session, request: Request) -> Reply:
    """Leave the request, and wait for the coordinator's answer when one runs; else `continue` takes it up."""
    answer = ask(workspace.layout, session.id, request)
    match answer:
        case Reply():
            return answer
        case Silence(holder) if is_stopped(holder):
            withdraw(workspace.layout, session.id, request)
            raise unanswered(session.id, holder)
        case Silence():
            message = f"Session {session.id} is landing; it takes this up right afterwards."
        case Nobody():
            message = f"Nobody runs session {session.id} now; `gitfleet continue` takes this up first."
        case _:
            assert_never(answer)
    if State(workspace.layout).read_session(session.id).state is SessionState.COMPLETED:
        withdraw(workspace.layout, session.id, request)
        raise GitfleetError(
            Kind.USAGE, "session-closed", f"Session {session.id} completed meanwhile; nothing was changed."
        )
    return Reply(id=request.id, task=request.add.id if request.add else request.cancel, message=message)
