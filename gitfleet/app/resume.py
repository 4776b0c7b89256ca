"""Continue a session that was stopped, interrupted or killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.app.composition import build
from gitfleet.app.load import load_config, load_plan
from gitfleet.app.outcome import Outcome, drive
from gitfleet.app.wave import resolved_scopes
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import preflight, worktrees
from gitfleet.model.session import SessionState
from gitfleet.planner.waves import Placement, Schedule
from gitfleet.recovery import reconcile
from gitfleet.store.locks import hold
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session


def open_sessions(workspace: Workspace) -> tuple[Session, ...]:
    """Sessions that are not over, oldest first."""
    state = State(workspace.layout)
    sessions = (state.read_session(name) for name in state.session_ids())
    waiting = [session for session in sessions if session.state is not SessionState.COMPLETED]
    return tuple(sorted(waiting, key=lambda session: session.started))


def choose(workspace: Workspace, wanted: str | None) -> Session | None:
    """The session that was named, or the only open one; none when there is nothing to continue."""
    if wanted is not None:
        state = State(workspace.layout)
        if wanted not in state.session_ids():
            raise GitfleetError(Kind.USAGE, "unknown-session", f"There is no session {wanted} here.")
        session = state.read_session(wanted)
        return session if session.state is not SessionState.COMPLETED else None
    waiting = open_sessions(workspace)
    if len(waiting) > 1:
        names = ", ".join(session.id for session in waiting)
        raise GitfleetError(
            Kind.USAGE, "which-session", f"{len(waiting)} sessions are open: {names}.", hint="Name the one you mean."
        )
    return waiting[0] if waiting else None


def resume(workspace: Workspace, wanted: str | None, observer: Observer, interrupts: Interrupts) -> Outcome | None:
    """Bring the books up to date and run on; none when there is nothing to continue.

    Raises ``GitfleetError``: busy when another coordinator holds the session, needs-person when files are in the way.
    """
    session = choose(workspace, wanted)
    if session is None:
        return None
    lock = workspace.layout.lock(f"session-{session.id}")
    with hold(lock, timeout=0.0, what=f"session {session.id}", command="gitfleet continue") as proof:
        state = State(workspace.layout)
        config = load_config(state.read_config_bytes(session.id), f"the config of session {session.id}")
        fold = worktrees.folds_names(workspace.repository)
        plan = load_plan(state.read_plan_bytes(session.id), f"the plan of session {session.id}", config, fold=fold)
        parts = build(workspace, config, session.id, proof, fold=fold)
        busy = preflight.operation_on(parts.repository, session.target)
        if busy is not None:
            raise GitfleetError(
                Kind.NEEDS_PERSON,
                "target-busy",
                f"{session.target.removeprefix('refs/heads/')} cannot be landed on: {busy}.",
                hint="Finish or abort it, then run `gitfleet continue`.",
            )
        found = reconcile(parts, session.id, lambda _: None)
        base = parts.refs.read(session.target) or session.base
        scopes, _ = resolved_scopes(plan, worktrees.links(parts.objects, base))
        return drive(
            parts,
            found.session,
            plan,
            found.runs,
            _schedule_of(found.session, plan, found.runs),
            scopes,
            observer,
            interrupts,
            adopted={task: (lambda handle=handle: parts.host.wait(handle)) for task, handle in found.adopted.items()},
            pending=found.pending,
        )


def _schedule_of(session: Session, plan: Plan, runs: dict[str, Run]) -> Schedule:
    """The schedule as the session recorded it."""
    del plan
    placements = {task: Placement(task, run.wave, "", 0) for task, run in runs.items()}
    return Schedule(session.waves, placements)
