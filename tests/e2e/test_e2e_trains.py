"""Trains of whole sessions: who is ejected and what becomes of them, which checks run, and what a landing is called."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import (
    assert_nothing_remains,
    config_of,
    merge_commits,
    plan_of,
    session_ids,
    state_runs,
    states,
    task,
    trailers,
)

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

FIRST = 'test "$GITFLEET_ATTEMPT" = 1'
LEARNS = f'if {FIRST}; then echo x > bad.txt; else cp "$GITFLEET_PROMPT" prompt.md; fi'
NO_BAD = "if test -e bad.txt; then echo 'bad.txt must not exist'; exit 9; fi"


def test_an_ejected_run_comes_again_and_is_told_why_while_the_rest_lands(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of([NO_BAD]))
    good = task("good", "echo good > good.txt", ["good.txt"])
    bad = task("bad", LEARNS, ["bad.txt", "prompt.md"])

    report = fleet.run("wave", fleet.plan(plan_of(good, bad)), "--yes", "--json").ok().json

    assert report["verdict"] == "verified"
    first, second = report["landings"]
    assert (first["tasks"], second["tasks"]) == (["good"], ["bad"])
    # The whole, the target itself, and `good` alone; `bad` alone, on top of it.
    assert first["train"] == {"checked": 3, "ejected": ["bad"]}
    assert second["train"]["checked"] == 1
    told = (repo / "prompt.md").read_text()
    run = state_runs(fleet, repo)["bad"]
    assert run.attempts[0].outcome == "check-failed"
    assert "bad.txt must not exist" in run.attempts[0].message
    assert "did the task, and merged with the work of others it made a check fail" in told
    assert run.attempts[0].message in told
    assert run.attempts[0].snapshots[-1] in told
    assert fleet.git("show", f"{run.attempts[0].snapshots[-1]}:bad.txt") == "x"
    assert run.base == first["commit"]
    events = fleet.run("events", "--json").ok().json["events"]
    said = [(event["kind"], event["task"], event["status"]) for event in events if event["kind"] in {"verify", "retry"}]
    assert said == [("verify", "bad", "red"), ("retry", "bad", "check-failed")]
    wave = (repo / f".planning/sessions/{session_ids(fleet, repo)[0]}/waves/w1.md").read_text()
    assert "3 trees were checked, ejected bad" in wave
    shown = fleet.run("inspect", "good", "--json").ok().json
    assert shown["landing"]["train"] == first["train"]
    assert "verified, 3 trees checked, ejected bad" in fleet.run("inspect", "good").ok().out
    fleet.run("check").ok()
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
def test_when_baseline_keep_and_a_check_that_was_late_once(fleet: FleetEnv) -> None:
    repo = fleet.repo({".gitignore": "cache\n", "README.md": "x\n"})
    mark, seen = fleet.root / "late-once", fleet.root / "seen"
    commands: list[dict[str, object]] = [
        {"name": "old", "run": "exit 3"},
        {"name": "docs", "run": "exit 1", "when": ["docs/"]},
        {"name": "late", "run": f"if mkdir '{mark}'; then exec sleep 600; fi", "timeout_seconds": 1},
        {"name": "cached", "run": f"cat cache >> '{seen}'; echo warm > cache"},
    ]
    fleet.config(repo, config_of(verify={"commands": commands, "keep": ["cache"], "baseline": "allow"}))
    own = [{"run": "exit 1", "when": ["src/", "!src/a"]}, {"run": "test -e src/a", "when": ["src/"]}]
    plan = plan_of(task("one", "mkdir src; echo a > src/a", ["src/"], verify=own))

    outcome = fleet.run("wave", fleet.plan(plan), "--yes").ok()

    assert "1 of 1 run landed on main (no-worse)" in outcome.text
    run = state_runs(fleet, repo)["one"]
    assert [(check.skipped, check.green) for check in run.checks] == [
        ("nothing in src/, !src/a changed", False),
        ("", True),
    ]
    assert run.verification is not None
    assert run.verification.verdict == "no-worse"
    assert [(check.name, check.green, check.was_red, check.retried) for check in run.verification.checks] == [
        ("old", False, True, False),
        ("docs", False, False, False),
        ("late", True, False, True),
        ("cached", True, False, False),
    ]
    assert run.verification.checks[1].skipped == "nothing in docs/ changed"
    # The candidate came first, then its base, where the cache was warm.
    assert seen.read_text() == "warm\n"
    (merge,) = merge_commits(fleet, repo)
    assert trailers(fleet, repo, merge)["Gitfleet-Verified"] == "late, cached"
    shown = fleet.run("inspect", "one").ok().text
    assert "check old: red, as it is on the target, exit code 3" in shown
    assert "check docs: skipped, nothing in docs/ changed" in shown
    assert "after it had timed out once" in shown
    fleet.run("check").ok()


@pytest.mark.parametrize(
    ("verify", "place"),
    [
        ({"commands": [{"run": "true", "when": ["/abs"]}]}, "verify.commands[0].when[0]"),
        ({"commands": [{"run": "true", "when": ["!docs/"]}]}, "verify.commands[0].when"),
        ({"keep": ["../cache"]}, "verify.keep[0]"),
        ({"baseline": "perhaps"}, "verify.baseline"),
    ],
)
def test_what_verify_cannot_mean_is_refused(verify: dict[str, object], place: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(verify=verify))
    outcome = fleet.run("wave", fleet.plan(plan_of(task("one", "echo 1 > one", ["one"]))), "--yes", "--json").ok(2)
    assert place in json.dumps(outcome.json)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_session_that_ends_in_the_middle_of_a_bisect_goes_on(how: signal.Signals, fleet: FleetEnv) -> None:
    repo, point = fleet.repo(), fleet.point("halving")
    mark = fleet.root / "was-here"
    halving = f"if test -e good.txt && ! test -e bad.txt && mkdir '{mark}' 2>/dev/null; then {point.shell}; fi; "
    fleet.config(repo, config_of([halving + NO_BAD]))
    before = fleet.git("rev-parse", "main")
    good = task("good", "echo good > good.txt", ["good.txt"])
    bad = task("bad", LEARNS, ["bad.txt", "prompt.md"])
    session = fleet.start("wave", fleet.plan(plan_of(good, bad)), "--yes")
    point.wait()
    session.send_signal(how)
    outcome = fleet.finish(session)
    assert outcome.code == (130 if how == signal.SIGINT else -how)
    assert fleet.git("rev-parse", "main") == before
    assert states(fleet, repo) == {"good": "gated", "bad": "gated"}

    fleet.run("continue").ok()

    assert states(fleet, repo) == {"good": "landed", "bad": "landed"}
    assert [attempt.outcome for attempt in state_runs(fleet, repo)["bad"].attempts] == ["check-failed", "success"]
    assert_nothing_remains(fleet, repo)


@pytest.mark.slow
def test_rolling_goes_on_beside_a_bisect_and_small_batches_ride_one_after_the_other(fleet: FleetEnv) -> None:
    """Most runs break the check alone: after the first train the next ones take few runs each, and all end."""
    repo = fleet.repo()
    fleet.config(repo, config_of(["! ls | grep -q bad"], waves={"max_agents": 8}, retry={"max_attempts": 1}))
    tasks = [
        task(f"t{number}", f"echo x > {'bad' if number % 2 else 'good'}{number}", [f"bad{number}", f"good{number}"])
        for number in range(8)
    ]
    report = fleet.run("wave", fleet.plan(plan_of(*tasks)), "--yes", "--rolling", "--json").ok(1).json
    assert states(fleet, repo) == {f"t{number}": "failed" if number % 2 else "landed" for number in range(8)}
    ejected = [name for landing in report["landings"] for name in landing["train"].get("ejected", ())]
    assert set(ejected) <= {"t1", "t3", "t5", "t7"}
    assert not [name for name in fleet.git("ls-tree", "--name-only", "main").splitlines() if "bad" in name]
    assert_nothing_remains(fleet, repo)
