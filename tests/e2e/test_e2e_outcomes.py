"""What must never land does not, the rest of its wave does, and the record says exactly why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import (
    assert_nothing_remains,
    config_of,
    merge_commits,
    plan_of,
    record_commits,
    state_runs,
    states,
    task,
    trailers,
)

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

GOOD = task("good", "echo good > good.txt", ["good.txt"])
BAD = {
    "out-of-scope": (task("bad", "echo x > mine.txt; echo y > yours.txt", ["mine.txt"]), "rejected", "yours.txt"),
    "out-of-scope in a commit that a later one undoes": (
        task(
            "bad",
            "echo x > mine.txt; echo y > yours.txt; git add -A; git commit -qm a; git rm -q yours.txt",
            ["mine.txt"],
        ),
        "rejected",
        "yours.txt",
    ),
    "planning": (
        task("bad", "mkdir -p .planning; echo x > .planning/notes.md; echo x > mine.txt", ["."]),
        "rejected",
        ".planning/notes.md",
    ),
    "symlink-escape": (task("bad", "ln -s ../../outside link", ["."]), "rejected", "link"),
    "read-only": (task("bad", "echo x > mine.txt", []), "rejected", "mine.txt"),
    "no-changes": (task("bad", "true", ["mine.txt"]), "failed", "no-changes"),
    "exit-code": (task("bad", "echo x > mine.txt; exit 7", ["mine.txt"]), "failed", "exit-code"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_run_never_lands_and_its_wave_does(case: str, fleet: FleetEnv) -> None:
    bad, state, named = BAD[case]
    repo = fleet.repo()

    outcome = fleet.run("wave", fleet.plan(plan_of(GOOD, bad)), "--yes").ok(1)

    assert states(fleet, repo) == {"good": "landed", "bad": state}
    run = state_runs(fleet, repo)["bad"]
    if state == "rejected":
        assert run.gate is not None
        assert {violation.path for violation in run.gate.violations} == {named}
        assert run.gate.violations[0].reason == case.split(" ", maxsplit=1)[0]
        assert named in outcome.out
    else:
        assert run.failure is not None
        assert run.failure.code == named
    landed = fleet.git("ls-tree", "-r", "--name-only", "main").splitlines()
    assert "good.txt" in landed
    assert not {"mine.txt", "yours.txt", "link", ".planning/notes.md"} & set(landed)
    assert (repo / "good.txt").read_text() == "good\n"
    assert len(record_commits(fleet, repo)) == 1
    assert_nothing_remains(fleet, repo)


def test_no_change_with_a_reason_is_a_success(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    idle = task("idle", """echo '{"no_change": "it is fine as it is"}' > "$GITFLEET_HANDOFF" """, ["mine.txt"])

    fleet.run("wave", fleet.plan(plan_of(GOOD, idle)), "--yes").ok()

    run = state_runs(fleet, repo)["idle"]
    assert run.handoff is not None
    assert run.handoff.no_change == "it is fine as it is"
    assert run.sealed
    assert run.failure is None


def test_a_landing_carries_trailers_and_one_record_commit(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(["test -e README.md"]))
    later = task("later", "cat good.txt > later.txt", ["later.txt"], "good")

    fleet.run("wave", fleet.plan(plan_of(GOOD, later)), "--yes").ok()

    merges = merge_commits(fleet, repo)
    runs = state_runs(fleet, repo)
    assert [trailers(fleet, repo, commit)["Gitfleet-Instance"] for commit in reversed(merges)] == [
        runs["good"].instance,
        runs["later"].instance,
    ]
    for commit in merges:
        assert trailers(fleet, repo, commit)["Gitfleet-Verified"] == "test -e README.md"
    assert len(record_commits(fleet, repo)) == 2
    assert (repo / "later.txt").read_text() == "good\n"
    assert_nothing_remains(fleet, repo)


def test_dependents_of_a_failure_are_skipped_and_the_rest_goes_on(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    plan = plan_of(
        GOOD,
        task("bad", "exit 1", ["bad.txt"]),
        task("after-bad", "echo x > after-bad.txt", ["after-bad.txt"], "bad"),
        task("after-good", "echo x > after-good.txt", ["after-good.txt"], "good"),
    )

    fleet.run("wave", fleet.plan(plan), "--yes").ok(1)

    assert states(fleet, repo) == {"good": "landed", "bad": "failed", "after-bad": "skipped", "after-good": "landed"}
    assert_nothing_remains(fleet, repo)


def test_a_culprit_lands_nothing_says_what_failed_and_the_rest_lands(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    check = "if test -e bad.txt; then echo 'bad.txt must not exist'; exit 9; fi"
    fleet.config(repo, config_of(["true", check]))
    plan = plan_of(GOOD, task("bad", "echo x > bad.txt", ["bad.txt"]))

    outcome = fleet.run("wave", fleet.plan(plan), "--yes").ok(1)

    assert "bad.txt must not exist" in outcome.out
    assert "9" in outcome.out
    assert fleet.git("log", "--format=%H", "--", "bad.txt") == ""
    assert (repo / "good.txt").read_text() == "good\n"
    assert states(fleet, repo) == {"good": "landed", "bad": "failed"}
    run = state_runs(fleet, repo)["bad"]
    assert run.verification is not None
    last = run.verification.checks[-1]
    assert (last.run, last.exit_code) == (check, 9)
    assert "bad.txt must not exist" in last.tail
    assert run.failure is not None
    assert (run.failure.source, run.failure.code) == ("verifier", "check-failed")
    # Tried again on what the target was by then, within its policy, and over after that.
    assert [attempt.outcome for attempt in run.attempts] == ["check-failed", "check-failed"]
    assert run.attempts[-1].retry == "not retried: all 2 attempts are used up"
    assert_nothing_remains(fleet, repo)


def test_a_red_base_blames_nobody(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(["exit 5"]))
    before = fleet.git("rev-parse", "main")

    outcome = fleet.run("wave", fleet.plan(plan_of(GOOD)), "--yes").ok(3)

    assert "main itself fails: exit 5" in outcome.text
    assert fleet.git("rev-parse", "main") == before
    run = state_runs(fleet, repo)["good"]
    assert run.failure is None

    fleet.config(repo, config_of(["true"]))
    fleet.run("continue")


def test_a_conflict_keeps_the_branch_and_needs_a_person(fleet: FleetEnv) -> None:
    repo = fleet.repo({"shared.txt": "one\n"})
    point = fleet.point("wrote")
    fleet.config(repo, config_of(conflict="hold"))
    plan = fleet.plan(plan_of(task("edit", f"echo agent > shared.txt; {point.shell}", ["shared.txt"])))

    session = fleet.start("wave", plan, "--yes")
    point.wait()
    (repo / "shared.txt").write_text("person\n")
    fleet.git("commit", "-qam", "A person's edit")
    point.release()
    outcome = fleet.finish(session)

    assert outcome.code == 3, outcome.text
    run = state_runs(fleet, repo)["edit"]
    assert run.state == "conflicted"
    assert [(one.path, one.kind) for one in run.conflicts] == [("shared.txt", "content")]
    assert "shared.txt" in outcome.text
    assert fleet.git("show", f"{run.branch}:shared.txt") == "agent"
    assert (repo / "shared.txt").read_text() == "person\n"


def test_a_deadline_ends_an_attempt_and_what_it_had_is_kept(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    slow = task(
        "slow", "echo x > slow.txt; git add -A; git commit -qm half; sleep 100", ["slow.txt"], timeout_seconds=1
    )

    fleet.run("wave", fleet.plan(plan_of(GOOD, slow)), "--yes").ok(1)

    assert states(fleet, repo) == {"good": "landed", "slow": "timed-out"}
    run = state_runs(fleet, repo)["slow"]
    assert fleet.git("log", "-1", "--format=%s", run.branch) == "half"
    assert_nothing_remains(fleet, repo)


def test_a_brief_reaches_the_next_wave(fleet: FleetEnv) -> None:
    fleet.repo()
    finder = task(
        "finder",
        """n=$(od -An -N4 -tu4 /dev/urandom | tr -d ' '); echo x > a.txt
        printf '{"discoveries": [{"fact": "The number is %s."}]}' "$n" > "$GITFLEET_HANDOFF"; echo "found $n" """,
        ["a.txt"],
    )
    user = task(
        "user",
        """grep -o 'The number is [0-9]*' "$GITFLEET_PROMPT" | head -n 1 > number.txt""",
        ["number.txt"],
        "finder",
    )

    fleet.run("wave", fleet.plan(plan_of(finder, user)), "--yes").ok()

    number = (fleet.root / "repo" / "number.txt").read_text().strip()
    assert number.startswith("The number is ")
    assert f"found {number.split(' ')[-1]}" in fleet.run("logs", "finder").out
