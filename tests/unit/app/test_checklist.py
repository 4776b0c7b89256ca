"""Each point of a closeout, from a run's record and what the repository says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from gitfleet.app.checklist import Facts, checklist, going_on
from gitfleet.model.evidence import Attempt, CheckResult, Exit, GateReport, Verdict, Verification, Violation
from gitfleet.model.handoff import Handoff, HandoffSource
from gitfleet.model.parking import Parked
from gitfleet.model.reports import CloseoutItem, Point
from gitfleet.model.run import ClaimHeld, Failure, FailureSource, MergeRecord, Run, RunState
from gitfleet.model.session import SessionState
from gitfleet.model.usage import Tokens, Truth, UsageSummary

AT = "2026-01-02T03:04:05.000Z"
TREE, COMMIT = "a" * 40, "c" * 40
GREEN = CheckResult(name="tests", run="make", exit_code=0)
LANDED = Run(
    session="auth-k3f9qm",
    task="api",
    name="API",
    instance="fleet-auth-k3f9qm-w1-a1",
    wave=1,
    state=RunState.LANDED,
    attempts=(Attempt(number=1, base="b" * 40, started=AT),),
    claim=ClaimHeld(scope=("src/",), acquired=AT, released=AT),
    handoff=Handoff(built=("it",)),
    handoff_source=HandoffSource.FILE,
    gate=GateReport(passed=True, commits=2),
    verification=Verification(verdict=Verdict.VERIFIED, tree=TREE, checks=(GREEN,)),
    merge=MergeRecord(commit=COMMIT, landing=1, target="refs/heads/main"),
)
THERE = Facts(session=SessionState.COMPLETED, target="refs/heads/main", reachable=True, present=True, landed_tree=TREE)


def point(point: Point, facts: Facts = THERE, /, **more: Any) -> CloseoutItem:  # noqa: ANN401
    """One point, of a run with these fields."""
    items = checklist(msgspec.structs.replace(LANDED, **more), facts).items
    return next(item for item in items if item.point is point)


def facts(**more: Any) -> Facts:  # noqa: ANN401
    return replace(THERE, **more)


def test_a_run_that_landed_and_left_nothing_is_closed_out() -> None:
    found = checklist(LANDED, THERE)
    assert found.ok
    assert [item.point for item in found.items] == list(Point)
    assert all(item.ok and item.found and not item.mend for item in found.items)


@pytest.mark.parametrize(
    ("of", "run", "there", "said", "mend"),
    [
        (Point.HANDOFF, {"handoff": None}, {}, "none was reported", "$GITFLEET_HANDOFF"),
        (Point.GATE, {"gate": None}, {}, "never came to the gate", "gitfleet inspect"),
        (
            Point.GATE,
            {"gate": GateReport(passed=False, violations=(Violation(path="x", reason="out-of-scope"),))},
            {},
            "refused, 1 path outside",
            "gitfleet inspect",
        ),
        (Point.CHECKS, {"verification": None}, {}, "never ran", "gitfleet inspect"),
        (
            Point.CHECKS,
            {"verification": Verification(verdict=Verdict.UNVERIFIED, tree=TREE)},
            {},
            "unverified: no checks",
            "verify.commands",
        ),
        (
            Point.CHECKS,
            {
                "verification": Verification(
                    verdict=Verdict.RED, tree=TREE, checks=(GREEN, CheckResult(name="lint", run="lint", exit_code=1))
                )
            },
            {},
            "red: lint fails",
            "gitfleet inspect",
        ),
        (Point.CHECKS, {}, {"landed_tree": "f" * 40}, "and tree ffffffffffff landed", "gitfleet inspect"),
        (Point.CHECKS, {}, {"landed_tree": ""}, "not in this clone", "git fetch --all"),
        (Point.CHECKS, {"merge": None, "state": RunState.VERIFIED}, {}, "did not land", "gitfleet inspect"),
        (Point.COMMIT, {}, {"reachable": False}, "landed, later rewritten: cccccccccccc is not on main", "git merge"),
        (Point.COMMIT, {}, {"reachable": False, "present": False}, "later rewritten", "git fetch --all"),
        (
            Point.COMMIT,
            {
                "merge": None,
                "state": RunState.REJECTED,
                "failure": Failure(source=FailureSource.TASK, code="out-of-scope", message="."),
            },
            {},
            "not landed, rejected: out-of-scope",
            "gitfleet inspect",
        ),
        (
            Point.COMMIT,
            {"merge": None, "state": RunState.GATED},
            {"session": SessionState.NEEDS_CONTINUE},
            "not landed, gated",
            "gitfleet continue auth-k3f9qm",
        ),
        (Point.CLAIM, {}, {"claimed": True}, "still held", "gitfleet doctor --fix"),
        (
            Point.CLAIM,
            {},
            {"claimed": True, "session": SessionState.PAUSED},
            "still held",
            "gitfleet resume auth-k3f9qm",
        ),
        (Point.CLAIM, {"claim": ClaimHeld(scope=(), acquired=AT)}, {}, "no end on record", "gitfleet doctor"),
        (Point.WORKTREE, {}, {"slot": "tree-2"}, "it still has tree-2", "gitfleet clean"),
        (Point.WORKTREE, {"state": RunState.FAILED}, {"slot": "tree-2"}, "it still has tree-2", "gitfleet open"),
        (Point.WORKTREE, {}, {"set_aside": "/pool/quarantine/x"}, "set aside as /pool", "gitfleet open"),
    ],
)
def test_a_point_that_does_not_hold_says_what_is_missing_and_what_mends_it(
    of: Point, run: dict[str, object], there: dict[str, object], said: str, mend: str
) -> None:
    found = point(of, facts(**there), **run)
    assert not found.ok
    assert said in found.found
    assert mend in found.mend
    assert not checklist(msgspec.structs.replace(LANDED, **run), facts(**there)).ok


def test_a_run_that_rightly_changed_nothing_needs_no_checks_and_no_commit() -> None:
    nothing = {"merge": None, "verification": Verification(verdict=Verdict.UNVERIFIED)}
    assert point(Point.CHECKS, facts(landed_tree=""), **nothing).ok
    assert point(Point.COMMIT, facts(reachable=False), **nothing).ok


def test_usage_is_exact_or_not_measured_and_never_missing() -> None:
    attempt = msgspec.structs.replace(LANDED.attempts[0], exit=Exit(code=0))
    used = UsageSummary(tokens=Tokens(input=50, output=20))
    measured = msgspec.structs.replace(attempt, usage=used, cli_session="s-1")
    partly = msgspec.structs.replace(measured, usage=msgspec.structs.replace(used, truth=Truth.NOT_MEASURED))
    assert point(Point.USAGE).found == "none: it never ran"
    assert point(Point.USAGE, attempts=(attempt,)).found == "not measured"
    assert point(Point.USAGE, attempts=(measured, measured)).found == "140 tokens, exact"
    # A part of a sum is no sum.
    assert point(Point.USAGE, attempts=(measured, attempt)).found == "not measured, at least 70 tokens"
    assert point(Point.USAGE, attempts=(partly,)).found == "not measured, at least 70 tokens"
    assert all(point(Point.USAGE, attempts=attempts).ok for attempts in ((), (attempt,), (measured,), (partly,)))


def test_usage_of_an_agent_that_tells_it_must_have_its_rows() -> None:
    ran = msgspec.structs.replace(LANDED.attempts[0], exit=Exit(code=0), account="codex")
    used = UsageSummary(tokens=Tokens(input=50, output=20))
    measured = msgspec.structs.replace(ran, usage=used)
    assert not point(Point.USAGE, attempts=(ran,)).ok
    assert point(Point.USAGE, facts(rows={1: used}), attempts=(measured,)).ok
    for rows in ({}, {1: UsageSummary(tokens=Tokens(input=49, output=20))}):
        found = point(Point.USAGE, facts(rows=rows), attempts=(measured,))
        assert not found.ok
        assert "attempt 1" in found.found
        assert found.mend == "gitfleet usage auth-k3f9qm --reconcile"


def test_a_landing_from_the_cache_says_so() -> None:
    cached = Verification(verdict=Verdict.VERIFIED, tree=TREE, checks=(msgspec.structs.replace(GREEN, cached=True),))
    assert point(Point.CHECKS, verification=cached).found.endswith(", from the cache")


def test_what_takes_a_session_further() -> None:
    assert {state: going_on("s", state) for state in SessionState} == {
        SessionState.ACTIVE: "gitfleet status s",
        SessionState.PAUSED: "gitfleet resume s",
        SessionState.DRAINING: "gitfleet resume s",
        SessionState.NEEDS_CONTINUE: "gitfleet continue s",
        SessionState.COMPLETED: "",
    }
    assert going_on("s", None) == ""


def test_a_check_that_was_left_out_is_no_red_one_and_no_verification_either() -> None:
    left_out = CheckResult(name="docs", run="docs", skipped="nothing in docs/ changed")
    passed = Verification(verdict=Verdict.VERIFIED, tree=TREE, checks=(GREEN, left_out))
    assert point(Point.CHECKS, verification=passed).ok
    nothing = Verification(verdict=Verdict.UNVERIFIED, tree=TREE, checks=(left_out,))
    found = point(Point.CHECKS, verification=nothing)
    assert (found.ok, found.found) == (False, "unverified: no check applies to what changed")


def test_what_is_no_worse_than_its_target_is_not_done() -> None:
    before = CheckResult(name="lint", run="lint", exit_code=1, was_red=True)
    known = Verification(verdict=Verdict.NO_WORSE, tree=TREE, checks=(GREEN, before))
    found = point(Point.CHECKS, verification=known)
    assert (found.ok, found.found) == (False, "no-worse: lint (as on the target) fails")


def test_what_waits_for_a_permission_is_mended_by_an_approval() -> None:
    there = facts(session=SessionState.NEEDS_CONTINUE, claimed=True, slot="tree-1")
    asks = {"state": RunState.QUEUED, "merge": None, "parked": Parked(since=AT)}
    approve = f"gitfleet approve {LANDED.instance}"
    assert (point(Point.COMMIT, there, **asks).found, point(Point.COMMIT, there, **asks).mend) == (
        "not landed, queued: waits for a person",
        approve,
    )
    assert point(Point.CLAIM, there, **asks).mend == point(Point.WORKTREE, there, **asks).mend == approve
    approved = {**asks, "parked": Parked(since=AT, approved=True)}
    assert point(Point.COMMIT, there, **approved).mend == "gitfleet continue auth-k3f9qm"
