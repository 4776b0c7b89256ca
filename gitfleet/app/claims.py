"""Who may write what at this moment, and which claims nothing stands behind any more. Read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.model.reports import COORDINATOR_GONE, SESSION_CLOSED, SESSION_GONE, ClaimRow, ClaimsReport
from gitfleet.model.session import SessionState
from gitfleet.store.claims import Claims, external
from gitfleet.store.locks import holder
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.model.claim import Claim


def claims(workspace: Workspace) -> ClaimsReport:
    """Report the live claims of all sessions and the external ones of this worktree, oldest first."""
    state = State(workspace.layout)
    known = set(state.session_ids())
    rows = tuple(
        ClaimRow(
            instance=claim.instance,
            session=claim.session,
            task=claim.task,
            scope=claim.scope,
            acquired=claim.acquired,
            stale=_stale(workspace, state, known, claim),
        )
        for claim in sorted(Claims(workspace.layout).live(), key=lambda claim: (claim.acquired, claim.instance))
    )
    worktree = workspace.repository.worktree
    if worktree is None:
        return ClaimsReport(claims=rows)
    others = external(worktree)
    return ClaimsReport(claims=rows, external=others.claims, notes=others.notes)


def of_other_clones(workspace: Workspace, session: str) -> tuple[str, ...]:
    """Say which claims of other clones hold what a session's do; nothing where a claim is damaged, which stops it."""
    try:
        live = Claims(workspace.layout).live()
    except GitfleetError:
        return ()
    if len({claim.clone for claim in live if claim.clone}) < 2:
        return ()
    from gitfleet.coordinator.claiming import beside  # noqa: PLC0415 - half of all that `status` would load

    return tuple(
        sentence
        for claim in live
        if claim.session == session and claim.clone
        for sentence in beside(claim, (other for other in live if other.clone not in {"", claim.clone}))
    )


def _stale(workspace: Workspace, state: State, known: set[str], claim: Claim) -> str:
    if claim.session not in known:
        return SESSION_GONE
    if state.read_session(claim.session).state is SessionState.COMPLETED:
        return SESSION_CLOSED
    run = state.read_runs(claim.session).get(claim.task)
    if run is None:
        return "its session has no such task"
    if run.sealed:
        return f"its run is {run.state.value}"
    # Of a run held in conflict a person is waited for, whether or not somebody runs the session meanwhile.
    if not run.held and holder(workspace.layout.session_lock(claim.session)) is None:
        return COORDINATOR_GONE
    return ""
