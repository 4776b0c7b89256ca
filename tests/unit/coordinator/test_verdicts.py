from __future__ import annotations

from typing import Any

import pytest

from gitfleet.agents.events import Denied, Ended
from gitfleet.agents.transcript import Transcript
from gitfleet.coordinator.attempt.verdicts import Judgement, did_without, exit_code, judge, receipt, with_denial
from gitfleet.coordinator.sealing import conflicted_run, failed_run, landed_run, skipped_run
from gitfleet.errors import ExitCode
from gitfleet.integrate.gate.bounds import Bounds
from gitfleet.integrate.train import Clash, Entry
from gitfleet.model.conflict import Conflict, ConflictKind
from gitfleet.model.evidence import CheckResult, Exit, FileChange, GateReport, Verdict, Verification, Violation
from gitfleet.model.handoff import Handoff
from gitfleet.model.run import (
    ClaimHeld,
    Failure,
    FailureSource,
    IllegalTransitionError,
    MergeRecord,
    ReceiptVerdict,
    Run,
    RunState,
)
from gitfleet.model.session import SessionState
from gitfleet.planner.scopes import Scope
from tests.unit.store.samples import make_run, make_session

FILE = FileChange(path="a", change="added", added=1, removed=0)
GREEN = CheckResult(name="ok", run="true", exit_code=0)
RED = CheckResult(name="bad", run="make test", exit_code=2, tail="boom")
BROKEN = Failure(source=FailureSource.TASK, code="handoff", message="Its handoff is no JSON.")
CRASHED = Failure(source=FailureSource.TASK, code="exit-code", message="It ended with exit code 3.")
AT = "2026-01-02T03:05:00.000Z"


def judged(**facts: Any) -> Judgement:  # noqa: ANN401 - any argument of judge
    given: dict[str, Any] = {
        "ended": None,
        "exit_": Exit(reason="exited", code=0),
        "handoff": None,
        "handoff_failure": None,
        "files": (FILE,),
        "gate": GateReport(passed=True),
        "checks": (GREEN,),
        "read_only": False,
    }
    return judge(**(given | facts))


def code_of(judgement: Judgement) -> str:
    assert judgement.failure is not None
    return judgement.failure.code


DENIED = Failure(source=FailureSource.NEEDS_PERSON, code="permission-denied", message="It was not allowed.")
WELL, ILL = Transcript(ended=Ended()), Transcript(ended=Ended("no-end-event"))


@pytest.mark.parametrize(
    ("ended", "told", "handoff", "without"),
    [
        (DENIED, WELL, Handoff(built=("it",)), True),
        (DENIED, WELL, Handoff(built=("it",), failures=("no network",)), False),
        (DENIED, WELL, None, False),
        (DENIED, Transcript(ended=Ended(), denied=[Denied("Web", "x")]), Handoff(built=("it",)), True),
        (DENIED, Transcript(ended=Ended(), denied=[Denied("sandbox", every=True)]), Handoff(built=("it",)), False),
        (DENIED, ILL, Handoff(built=("it",)), False),
        (DENIED, Transcript(), Handoff(built=("it",)), False),
        (CRASHED, WELL, Handoff(built=("it",)), False),
        (None, WELL, Handoff(built=("it",)), False),
    ],
)
def test_an_agent_did_without_what_it_was_denied_where_it_says_so(
    *, ended: Failure | None, told: Transcript, handoff: Handoff | None, without: bool
) -> None:
    assert did_without(ended, told, handoff) is without


def test_work_that_does_not_stand_without_what_was_denied_is_a_question_to_a_person() -> None:
    good, asks = Judgement(RunState.GATED), Judgement(RunState.FAILED, DENIED)
    assert with_denial(good, DENIED, evidence=True) == good
    assert with_denial(good, DENIED, evidence=False) == asks  # nothing was changed: that nothing had to is its word
    assert with_denial(judged(checks=(RED,)), DENIED, evidence=True) == asks
    assert with_denial(judged(files=()), DENIED, evidence=False) == asks
    outside = judged(gate=violations(1))
    assert with_denial(outside, DENIED, evidence=True) == outside


def violations(count: int) -> GateReport:
    found = tuple(Violation(path=f"p{number}", reason="out-of-scope") for number in range(count))
    return GateReport(passed=False, violations=found, outside=count)


@pytest.mark.parametrize(
    ("failed", "code"), [({"ended": CRASHED}, "exit-code"), ({"handoff_failure": BROKEN}, "handoff")]
)
def test_a_violation_that_a_policy_would_have_let_pass_does_not_hide_how_it_ended(
    failed: dict[str, Failure], code: str
) -> None:
    assert code_of(judged(gate=violations(1), gate_open=True, **failed)) == code
    assert code_of(judged(gate=violations(1), **failed)) == "out-of-scope"
    assert judged(gate=violations(1), gate_open=True).state is RunState.REJECTED


def test_good_work_is_gated() -> None:
    assert judged() == Judgement(RunState.GATED)


def test_a_violation_outranks_everything_and_names_the_paths() -> None:
    worst = judged(gate=violations(2), ended=CRASHED, handoff_failure=BROKEN, files=(), checks=(RED,))
    assert (worst.state, code_of(worst)) == (RunState.REJECTED, "out-of-scope")
    assert worst.failure is not None
    assert worst.failure.message == "It wrote what it must not: p0 (out-of-scope), p1 (out-of-scope)."


def test_of_many_violations_ten_are_named_and_the_rest_counted() -> None:
    ten, more = judged(gate=violations(10)).failure, judged(gate=violations(12)).failure
    assert ten is not None
    assert more is not None
    assert ten.message.endswith("p9 (out-of-scope).")
    assert more.message.endswith("p9 (out-of-scope) and 2 more.")


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("deadline", RunState.TIMED_OUT),
        ("lost", RunState.LOST),
        ("exited", RunState.FAILED),
        ("stopped", RunState.FAILED),
        ("spawn-failed", RunState.FAILED),
    ],
)
def test_an_end_that_is_no_success_decides_the_state(reason: str, state: RunState) -> None:
    end = judged(ended=CRASHED, exit_=Exit(reason=reason), handoff_failure=BROKEN)
    assert end == Judgement(state, CRASHED)


def test_a_broken_handoff_fails_the_run_before_its_checks_are_asked() -> None:
    assert judged(handoff_failure=BROKEN, checks=(RED,)) == Judgement(RunState.FAILED, BROKEN)


def test_no_change_needs_a_reason_or_a_task_that_may_not_write() -> None:
    assert code_of(judged(files=())) == "no-changes"
    assert code_of(judged(files=(), handoff=Handoff())) == "no-changes"
    assert judged(files=(), handoff=Handoff(no_change="all was there")).state is RunState.GATED
    assert judged(files=(), read_only=True).state is RunState.GATED


def test_its_own_red_check_fails_it_with_the_command_and_its_last_lines() -> None:
    red = judged(checks=(GREEN, RED))
    assert (red.state, code_of(red)) == (RunState.FAILED, "task-check")
    assert red.failure is not None
    assert red.failure.source is FailureSource.VERIFIER
    assert red.failure.message == "Its own check `make test` ended with exit code 2:\nboom"


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (RunState.LANDED, ReceiptVerdict.PASS),
        (RunState.SKIPPED, ReceiptVerdict.SKIP),
        (RunState.CANCELLED, ReceiptVerdict.SKIP),
        (RunState.TIMED_OUT, ReceiptVerdict.TIMEOUT),
        (RunState.REJECTED, ReceiptVerdict.FAIL),
        (RunState.CONFLICTED, ReceiptVerdict.FAIL),
        (RunState.FAILED, ReceiptVerdict.FAIL),
        (RunState.LOST, ReceiptVerdict.FAIL),
    ],
)
def test_every_end_has_its_receipt(state: RunState, verdict: ReceiptVerdict) -> None:
    failure = None if state is RunState.LANDED else CRASHED
    given = receipt(state, failure, "landed as 123")
    assert given.verdict is verdict
    assert given.reason == (CRASHED.message if failure else "landed as 123")
    assert given.source == (FailureSource.TASK if failure else None)


def test_a_receipt_without_a_failure_keeps_the_reason() -> None:
    assert receipt(RunState.SKIPPED, None, "nothing to do").reason == "nothing to do"


@pytest.mark.parametrize(
    ("state", "runs", "code"),
    [
        (SessionState.COMPLETED, [RunState.LANDED, RunState.LANDED], ExitCode.DONE),
        (SessionState.COMPLETED, [RunState.LANDED, RunState.CANCELLED], ExitCode.DONE),
        (SessionState.COMPLETED, [RunState.LANDED, RunState.SKIPPED], ExitCode.RUNS_FAILED),
        (SessionState.COMPLETED, [RunState.LANDED, RunState.REJECTED], ExitCode.RUNS_FAILED),
        (SessionState.COMPLETED, [RunState.LANDED, RunState.CONFLICTED, RunState.FAILED], ExitCode.NEEDS_PERSON),
        (SessionState.NEEDS_CONTINUE, [RunState.LANDED], ExitCode.NEEDS_PERSON),
    ],
)
def test_a_session_ends_with_the_exit_code_of_its_runs(
    state: SessionState, runs: list[RunState], code: ExitCode
) -> None:
    named = {str(number): make_run(str(number), each) for number, each in enumerate(runs)}
    assert exit_code(make_session(state=state), named) is code


# -- sealed runs ---------------------------------------------------------------------------------------------------


def claimed(state: RunState) -> Run:
    held = ClaimHeld(scope=("src",), acquired="2026-01-02T03:04:05.000Z")
    return make_run("api", state, claim=held, branch="fleet/auth-k3f9qm/api")


MERGE = MergeRecord(commit="abcdef0123456789" * 2, landing=1, target="refs/heads/main")


@pytest.mark.parametrize("state", [RunState.GATED, RunState.VERIFIED])
@pytest.mark.parametrize("verdict", [Verdict.VERIFIED, Verdict.UNVERIFIED])
def test_a_landed_run_has_its_merge_its_receipt_and_no_claim(state: RunState, verdict: Verdict) -> None:
    run = landed_run(claimed(state), Verification(verdict=verdict), MERGE, AT)
    assert (run.state, run.merge, run.failure) == (RunState.LANDED, MERGE, None)
    assert run.receipt is not None
    assert run.receipt.reason == f"landed as abcdef012345, {verdict}"
    assert run.claim == ClaimHeld(scope=("src",), acquired="2026-01-02T03:04:05.000Z", released=AT)


def test_a_run_that_had_nothing_to_land_says_why() -> None:
    run = landed_run(claimed(RunState.GATED), Verification(verdict=Verdict.UNVERIFIED), None, AT, "no change: it held")
    assert (run.state, run.merge) == (RunState.LANDED, None)
    assert run.receipt is not None
    assert run.receipt.reason == "no change: it held"


def test_a_failed_run_agrees_with_its_failure() -> None:
    run = failed_run(make_run("api", RunState.RUNNING), RunState.LOST, CRASHED, AT)
    assert (run.state, run.failure, run.claim) == (RunState.LOST, CRASHED, None)
    assert run.receipt is not None
    assert run.receipt.reason == CRASHED.message
    with pytest.raises(IllegalTransitionError):
        failed_run(make_run("api", RunState.LANDED), RunState.FAILED, CRASHED, AT)


def test_a_conflicted_run_keeps_its_branch_and_names_the_paths() -> None:
    entry = Entry("api", "api", "i", "1" * 40, Bounds.of(Scope.parse(["src"])))
    conflict = Conflict(path="src/a", kind=ConflictKind.CONTENT)
    run = conflicted_run(claimed(RunState.GATED), Clash(entry, (conflict,), "it conflicts in src/a"))
    assert (run.state, run.conflicts, run.sealed) == (RunState.CONFLICTED, (conflict,), False)
    assert run.claim is not None
    assert run.claim.released == ""
    assert run.failure is not None
    assert run.failure.source is FailureSource.NEEDS_PERSON
    assert run.failure.message == "It conflicts in src/a. Its branch fleet/auth-k3f9qm/api is kept."


def test_a_skipped_run_was_never_started() -> None:
    run = skipped_run(make_run("api"), "db failed")
    assert run.state is RunState.SKIPPED
    assert run.receipt is not None
    assert (run.receipt.verdict, run.receipt.reason) == (ReceiptVerdict.SKIP, "db failed")
    with pytest.raises(IllegalTransitionError):
        skipped_run(make_run("api", RunState.RUNNING), "db failed")
