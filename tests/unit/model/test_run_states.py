from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.model.base import decode, encode
from gitfleet.model.conflict import Conflict, ConflictKind, Resolution
from gitfleet.model.evidence import Attempt, CheckResult, FileChange, GateReport, Verdict, Verification
from gitfleet.model.handoff import Handoff, HandoffSource
from gitfleet.model.run import (
    LIVE,
    SEALED,
    TRANSITIONS,
    ClaimHeld,
    Failure,
    FailureSource,
    IllegalTransitionError,
    Receipt,
    ReceiptVerdict,
    Run,
    RunState,
    advance,
    record,
    requeue,
)

S = RunState
OVER_WITHOUT_LANDING = [S.REJECTED, S.FAILED, S.TIMED_OUT, S.CANCELLED, S.LOST]


def run_in(state: RunState) -> Run:
    return Run(session="auth-k3f9qm", task="api", name="Api", wave=1, state=state)


@pytest.mark.parametrize("one", RunState)
def test_a_run_moves_along_the_edges_of_the_table_and_no_others(one: RunState) -> None:
    run = run_in(one)
    for other in RunState:
        if other in TRANSITIONS[one]:
            assert advance(run, other, tip="0" * 40) == msgspec.structs.replace(run, state=other, tip="0" * 40)
        else:
            with pytest.raises(IllegalTransitionError, match=f"api: {one} -> {other} is not"):
                advance(run, other)


def test_the_table_knows_every_state_and_never_stays() -> None:
    assert set(TRANSITIONS) == set(RunState)
    assert not [state for state, following in TRANSITIONS.items() if state in following]


def test_a_run_lands_once_and_only_when_it_was_verified() -> None:
    assert [state for state in RunState if S.LANDED in TRANSITIONS[state]] == [S.VERIFIED]
    assert TRANSITIONS[S.LANDED] == frozenset()
    # A verdict is reached by way of the gate, and the gate by way of the end of a process, or of a person's resolution.
    assert [state for state in RunState if S.VERIFIED in TRANSITIONS[state]] == [S.GATED]
    assert [state for state in RunState if S.GATED in TRANSITIONS[state]] == [S.FINISHED, S.VERIFIED, S.CONFLICTED]


def test_every_state_but_landed_can_be_queued_again() -> None:
    assert {state for state in RunState if S.QUEUED in TRANSITIONS[state]} == set(RunState) - {S.QUEUED, S.LANDED}


@pytest.mark.parametrize("state", OVER_WITHOUT_LANDING)
def test_what_is_over_can_only_be_queued_again(state: RunState) -> None:
    assert TRANSITIONS[state] == {S.QUEUED}


def test_states_are_queued_live_or_sealed() -> None:
    assert {S.LANDED, S.SKIPPED, *OVER_WITHOUT_LANDING} == SEALED
    assert {S.PREPARING, S.RUNNING, S.FINISHED, S.GATED, S.VERIFIED, S.CONFLICTED} == LIVE
    assert [run_in(state).sealed for state in RunState] == [state in SEALED for state in RunState]


@given(st.lists(st.sampled_from(RunState), max_size=12))
def test_a_landed_run_was_never_moved_afterwards(states: list[RunState]) -> None:
    run, way = run_in(S.QUEUED), [S.QUEUED]
    for state in states:
        if state in TRANSITIONS[run.state]:
            run = advance(run, state)
            way.append(state)
    assert run.state is way[-1]
    assert S.LANDED not in way[:-1]
    assert all(following in TRANSITIONS[state] for state, following in itertools.pairwise(way))
    assert decode(encode(run), Run) == run


def test_facts_are_recorded_without_a_move() -> None:
    run = record(run_in(S.RUNNING), branch="fleet/auth-k3f9qm/api")
    assert (run.state, run.branch) == (S.RUNNING, "fleet/auth-k3f9qm/api")
    with pytest.raises(IllegalTransitionError, match="advance"):
        record(run, state=S.LANDED)


@pytest.mark.parametrize(
    ("check", "green"),
    [
        (CheckResult(name="t", run="t", exit_code=0), True),
        (CheckResult(name="t", run="t", exit_code=1), False),
        (CheckResult(name="t", run="t", signal=9), False),
        (CheckResult(name="t", run="t", exit_code=0, timed_out=True), False),
        (CheckResult(name="t", run="t", exit_code=0, wrote=("a",)), False),
    ],
)
def test_a_check_is_green_when_it_ended_well_and_changed_nothing(check: CheckResult, *, green: bool) -> None:
    assert check.green is green


def test_a_run_that_is_queued_again_keeps_its_attempts_and_says_no_more_of_the_last_one() -> None:
    attempt = Attempt(number=1, base="1" * 40, started="2026-01-02T03:04:05.000Z")
    plain = msgspec.structs.replace(
        run_in(S.CONFLICTED), instance="fleet-x-w1-a1", branch="fleet/x/api", base="1" * 40, attempts=(attempt,)
    )
    failure = Failure(source=FailureSource.NEEDS_PERSON, code="conflict", message="it conflicts")
    over = msgspec.structs.replace(
        plain,
        tip="2" * 40,
        claim=ClaimHeld(scope=("a",), acquired="2026-01-02T03:04:05.000Z"),
        handoff=Handoff(built=("a",)),
        handoff_source=HandoffSource.FILE,
        files=(FileChange(path="a", change="added"),),
        checks=(CheckResult(name="t", run="t", exit_code=0),),
        gate=GateReport(passed=True),
        verification=Verification(verdict=Verdict.VERIFIED),
        failure=failure,
        conflicts=(Conflict(path="a", kind=ConflictKind.CONTENT),),
        resolution=Resolution(tip="2" * 40, onto="3" * 40, since="2026-01-02T03:04:05.000Z"),
        extended=("b",),
        receipt=Receipt(verdict=ReceiptVerdict.FAIL, reason="it conflicts"),
    )
    assert requeue(over) == msgspec.structs.replace(plain, state=S.QUEUED)
    with pytest.raises(IllegalTransitionError):
        requeue(run_in(S.LANDED))
