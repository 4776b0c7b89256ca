"""Add a task to an open session, or cancel a queued one, whether or not its coordinator runs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.app.load import load_plan
from gitfleet.app.sessions.disclosure import beyond, disclose
from gitfleet.app.sessions.preflight import refuse_told
from gitfleet.app.sessions.resume import documents
from gitfleet.app.sessions.survey import resolved_scopes, survey_tree
from gitfleet.app.sessions.target import Target
from gitfleet.app.steering.asking import Nobody, Silence, ask, is_stopped, unanswered, withdraw
from gitfleet.app.which import choose
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight
from gitfleet.git.engines import open_objects
from gitfleet.git.pool_root import pool_root
from gitfleet.git.refs import Refs
from gitfleet.model.request import Reply, Request
from gitfleet.model.session import Reversibility, SessionState
from gitfleet.planner.reversibility import reversibility
from gitfleet.planner.waves import schedule
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan, Task
    from gitfleet.model.reports import Disclosure
    from gitfleet.model.session import Session


@dataclass(frozen=True, slots=True)
class Addition:
    """A task that was checked for an open session, of which nothing was asked yet.

    ``asks`` says that a person has to agree: it brings what the consent to the session's plan did not cover, or may
    write what everybody builds on. ``disclosure`` is what they agree to.
    """

    session: Session
    task: Task
    disclosure: Disclosure
    asks: bool


def addition(workspace: Workspace, wanted: str | None, document: bytes, name: str) -> Addition:
    """Check a task for an open session; ``document`` is a plan with exactly that task.

    Raises ``GitfleetError`` when there is no open session, or the document is wrong or holds a secret of an account.
    """
    session = _open(workspace, wanted)
    fold = preflight.folds_case(workspace.repository.git)
    # The session's own config: that of the worktree may have changed since.
    config, whole = documents(State(workspace.layout), session.id, fold=fold)
    plan = load_plan(document, name, config, fold=fold, outside=frozenset(task.id for task in whole.tasks))
    if len(plan.tasks) != 1:
        raise GitfleetError(
            Kind.USAGE, "one-task", f"{name} has {len(plan.tasks)} tasks; `gitfleet add` takes one at a time."
        )
    refuse_told(plan.tasks, workspace.now, name)
    told = _disclosure(workspace, session, plan, config, fold=fold)
    asks = told.reversibility is Reversibility.RED or bool(beyond(plan, config) - beyond(whole, config))
    return Addition(session, plan.tasks[0], told, asks)


def _disclosure(workspace: Workspace, session: Session, plan: Plan, config: Config, *, fold: bool) -> Disclosure:
    """What the one task of a plan will start. In which wave is the coordinator's to say, so here it is in the first."""
    tip = Refs(workspace.repository.git).read(session.target) or session.base
    with open_objects(workspace.repository, now=workspace.now) as objects:
        survey = survey_tree(objects, objects.commit(tip).tree)
    scopes, notes = resolved_scopes(plan, survey.links, fold=fold)
    alone = msgspec.structs.replace(plan, tasks=(msgspec.structs.replace(plan.tasks[0], depends_on=()),))
    placed = schedule(alone, config, fold=fold, scopes=scopes)
    graded = reversibility(placed, plan.tasks, survey.shared, scopes=scopes, fold=fold)
    pool = pool_root(workspace.repository, config.worktrees.root)
    return disclose(plan, config, placed, Target(session.target, tip, new=False, notes=()), graded, notes, str(pool))


def add(workspace: Workspace, wanted: Addition) -> Reply:
    """Ask the session to take the task; raises ``GitfleetError`` when it refuses."""
    return _ask(workspace, wanted.session, Request(id=secrets.token_hex(8), add=wanted.task))


def cancel(workspace: Workspace, wanted: str | None, task: str) -> Reply:
    """Ask an open session to cancel a queued task; raises ``GitfleetError`` when it refuses."""
    session = _open(workspace, wanted)
    return _ask(workspace, session, Request(id=secrets.token_hex(8), cancel=task))


def _open(workspace: Workspace, wanted: str | None) -> Session:
    session = choose(State(workspace.layout), wanted)
    if session is None:
        raise GitfleetError(Kind.USAGE, "no-open-session", "There is no open session to change.")
    return session


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
