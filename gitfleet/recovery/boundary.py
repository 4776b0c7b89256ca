"""What may have changed without the coordinator, looked at between two waves.

Only what costs no git call: files of the state, and trees that should be there. A session's own books are not looked
at; it alone writes them, and a warden that died is found by whoever waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.model.session import SessionState
from gitfleet.store.locks import claims_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitfleet.model.claim import Claim
    from gitfleet.model.run import Run
    from gitfleet.store.claims import Claims
    from gitfleet.store.layout import Layout
    from gitfleet.store.state import State


def orphaned(claims: Iterable[Claim], state: State, clone: str) -> list[Claim]:
    """Claims that nobody will ever release: those of sessions of this clone that are closed, or gone from the state.

    A claim of an open session is its coordinator's, or its next coordinator's; one of another clone only warns. What
    cannot be read is doubt, and holds.
    """
    over: dict[str, bool] = {}
    found = []
    for claim in claims:
        if claim.clone and clone and claim.clone != clone:
            continue
        if claim.session not in over:
            over[claim.session] = _is_over(state, claim.session)
        if over[claim.session]:
            found.append(claim)
    return found


def _is_over(state: State, session: str) -> bool:
    if not state.layout.session(session).is_dir():
        return True
    try:
        return state.read_session(session).state is SessionState.COMPLETED
    except GitfleetError:
        return False


def release_orphans(
    layout: Layout,
    state: State,
    claims: Claims,
    clone: str,
    *,
    session: str = "",
    runs: Mapping[str, Run] | None = None,
) -> list[str]:
    """Release claims of dead instances; a sentence for each.

    With a ``session`` whose lock the caller holds, and its ``runs``, those of its own that no run holds go as well.
    """
    holders = {run.instance for run in (runs or {}).values() if run.holding}

    def dead() -> list[Claim]:
        live = claims.live()
        own = [claim for claim in live if session and claim.session == session and claim.instance not in holders]
        return own + [claim for claim in orphaned(live, state, clone) if claim.session != session]

    if not dead():
        return []
    with claims_lock(layout) as proof:
        # Looked at again: another coordinator may have found the same ones.
        found = dead()
        gone = claims.release(proof, [claim.instance for claim in found])
    return [
        f"dead instance {claim.instance} left a claim on {', '.join(claim.scope) or 'nothing'}"
        for claim in found
        if claim.instance in gone
    ]
