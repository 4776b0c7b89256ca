from __future__ import annotations

import pytest

from gitfleet.model.control import CONSEQUENCES
from gitfleet.model.request import Control
from gitfleet.model.run import IllegalTransitionError
from gitfleet.model.session import DISPATCHING, SESSION_TRANSITIONS, Session, SessionState, move

S = SessionState


def session_in(state: SessionState) -> Session:
    return Session(
        id="auth-k3f9qm", name="auth", state=state, target="refs/heads/main", base="0" * 40, started="2026-01-02"
    )


@pytest.mark.parametrize("one", SessionState)
def test_a_session_moves_along_the_edges_of_the_table_and_no_others(one: SessionState) -> None:
    for other in SessionState:
        if other in SESSION_TRANSITIONS[one]:
            moved = move(session_in(one), other, reason="why")
            assert (moved.state, moved.reason) == (other, "why")
        else:
            with pytest.raises(IllegalTransitionError, match=f"auth-k3f9qm: {one} -> {other} is not"):
                move(session_in(one), other)


def test_the_table_knows_every_state_and_never_stays() -> None:
    assert set(SESSION_TRANSITIONS) == set(SessionState)
    assert not [state for state, following in SESSION_TRANSITIONS.items() if state in following]


def test_a_completed_session_is_over_and_every_other_can_come_to_that() -> None:
    assert SESSION_TRANSITIONS[S.COMPLETED] == frozenset()
    reach = {S.COMPLETED}
    for _ in SessionState:
        reach |= {state for state, following in SESSION_TRANSITIONS.items() if following & reach}
    assert reach == set(SessionState)


def test_only_an_active_session_starts_tasks_and_a_saved_one_completes_only_once_it_was_taken_up() -> None:
    assert {S.ACTIVE} == DISPATCHING
    assert S.COMPLETED not in SESSION_TRANSITIONS[S.NEEDS_CONTINUE]


def test_every_control_says_what_happens_to_processes_claims_and_worktrees() -> None:
    assert set(CONSEQUENCES) == set(Control)
    assert all(said.processes and said.claims and said.worktrees for said in CONSEQUENCES.values())
