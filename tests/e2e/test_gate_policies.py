"""What ``scope.on_violation`` and ``scope.protected`` make of whole sessions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import (
    assert_nothing_remains,
    config_of,
    plan_of,
    session_ids,
    state_runs,
    states,
    task,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

# Assembled by the agent, since its command line is in the plan and with it on the target.
GONE_AGAIN = "printf 'sec%s' ret > k.env; git add k.env; git commit -qm 1; git rm -q k.env; git commit -qm 2"


def started(fleet: FleetEnv, *, checks: tuple[str, ...] = (), **scope: object) -> Path:
    repo = fleet.repo({"a.txt": "a\n", "other/c.txt": "c\n", "check.sh": "exit 0\n"})
    fleet.config(repo, config_of(checks, scope=scope))
    return repo


def spill_of(fleet: FleetEnv, repo: Path, name: str) -> str:
    return f"fleet-spill/{session_ids(fleet, repo)[-1]}/{name}"


def reachable(fleet: FleetEnv, revision: str) -> str:
    return fleet.git("log", "-p", "--all-match", "--format=%s", "-m", revision)


def test_spill_lands_what_is_in_scope_and_keeps_the_rest(fleet: FleetEnv) -> None:
    repo = started(fleet, on_violation="spill")
    # Its own check sees what goes on, and not what was spilled.
    work = f"{GONE_AGAIN}; echo 2 > a.txt; echo 2 > other/c.txt; echo n > new.txt"
    one = task("one", work, ["a.txt"], verify=[{"run": "test ! -e new.txt && grep -q c other/c.txt"}])

    outcome = fleet.run("wave", fleet.plan(plan_of(one)), "--yes").ok()

    assert states(fleet, repo) == {"one": "landed"}
    run, branch = state_runs(fleet, repo)["one"], spill_of(fleet, repo, "one")
    assert run.gate is not None
    assert {(one.path, one.reason, one.outcome) for one in run.gate.violations} == {
        (path, "out-of-scope", "spilled") for path in ("k.env", "other/c.txt", "new.txt")
    }
    assert all(one.commit for one in run.gate.violations)
    assert (run.gate.passed, run.gate.outside, run.gate.spilled) == (True, 3, branch)
    assert [file.path for file in run.files] == ["a.txt"]
    assert (repo / "a.txt").read_text() == "2\n"
    assert (repo / "other/c.txt").read_text() == "c\n"
    assert "secret" not in reachable(fleet, "main")
    assert "secret" in reachable(fleet, branch)
    assert fleet.git("diff", "--name-only", f"{branch}^1", branch).split() == ["new.txt", "other/c.txt"]
    assert fleet.git("merge-base", "--is-ancestor", run.gate.original, branch) == ""
    assert f"git diff {branch}^1 {branch}" in outcome.out
    inspected = fleet.run("inspect", "one").ok()
    assert "spilled" in inspected.out
    assert branch in inspected.out
    assert json.loads(fleet.run("inspect", "one", "--json").out)["run"]["gate"]["spilled"] == branch
    assert_nothing_remains(fleet, repo)
    cleaned = {item["name"]: item for item in fleet.run("clean", "--json").ok().json["items"]}
    assert cleaned[branch]["removed"] is False
    assert "only copy" in cleaned[branch]["reason"]
    assert fleet.git("rev-parse", "--verify", branch)


def test_spilling_that_leaves_nothing_in_scope_is_refused(fleet: FleetEnv) -> None:
    repo = started(fleet, on_violation="spill")

    fleet.run("wave", fleet.plan(plan_of(task("one", "echo 2 > other/c.txt", ["a.txt"]))), "--yes").ok(1)

    run = state_runs(fleet, repo)["one"]
    assert run.state == "rejected"
    assert run.failure is not None
    assert "Nothing of it is in its scope" in run.failure.message
    assert fleet.git("for-each-ref", "refs/heads/fleet-spill/") == ""


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["spill", "extend"])
@pytest.mark.parametrize(
    ("work", "reason"),
    [
        ("ln -s /etc/passwd out", "symlink-escape"),
        ("mkdir -p .planning; echo x > .planning/x", "planning"),
        ("echo 1 > yarn.lock", "protected"),
    ],
)
def test_what_is_worse_than_a_step_over_the_border_takes_all_with_it(
    policy: str, work: str, reason: str, fleet: FleetEnv
) -> None:
    repo = started(fleet, on_violation=policy)

    fleet.run("wave", fleet.plan(plan_of(task("one", f"{work}; echo 2 > a.txt", ["a.txt"]))), "--yes").ok(1)

    run = state_runs(fleet, repo)["one"]
    assert (run.state, run.extended) == ("rejected", ())
    assert run.gate is not None
    assert reason in {one.reason for one in run.gate.violations}
    assert f"({reason}) is more than a step over the border of its scope" in run.gate.fallback
    assert {one.outcome for one in run.gate.violations} == {"refused"}


def test_work_that_did_not_end_well_is_not_spilled_and_says_so(fleet: FleetEnv) -> None:
    repo = started(fleet, on_violation="spill")
    failing = task("failing", "echo 2 > a.txt; echo 2 > other/c.txt; exit 3", ["a.txt"])

    fleet.run("wave", fleet.plan(plan_of(failing, task("reading", "echo 2 > other/d.txt", []))), "--yes").ok(1)

    said = {name: run.gate.fallback if run.gate else "" for name, run in state_runs(fleet, repo).items()}
    assert said == {
        "failing": "it was not spilled: only work that ended well goes on",
        "reading": "it was not spilled: the task is read-only",
    }


def test_extend_grows_the_claim_and_says_so(fleet: FleetEnv) -> None:
    repo = started(fleet, on_violation="extend")
    # A task of a later wave that has the path is no obstacle.
    later = task("later", "echo 3 > other/c.txt", ["other"], "one")
    one = task("one", "echo 2 > a.txt; echo 2 > other/c.txt", ["a.txt"])

    fleet.run("wave", fleet.plan(plan_of(one, later)), "--yes").ok()

    run = state_runs(fleet, repo)["one"]
    assert states(fleet, repo) == {"one": "landed", "later": "landed"}
    assert run.extended == ("other/c.txt",)
    assert run.claim is not None
    assert run.claim.scope == ("a.txt", "other/c.txt")
    assert run.gate is not None
    assert [(one.path, one.outcome) for one in run.gate.violations] == [("other/c.txt", "extended")]
    assert run.receipt is not None
    assert "its claim grew by other/c.txt" in run.receipt.reason
    assert (repo / "other/c.txt").read_text() == "3\n"
    assert_nothing_remains(fleet, repo)


def test_extend_never_takes_what_a_running_task_holds(fleet: FleetEnv) -> None:
    repo = started(fleet, on_violation="extend")
    point = fleet.point("holds")
    holder = task("holder", f"{point.shell}; echo 3 > other/c.txt", ["other"])
    first = fleet.start("wave", fleet.plan(plan_of(holder, name="first"), "first.yaml"), "--yes")
    point.wait()

    taker = plan_of(task("taker", "echo 2 > a.txt; echo 2 > other/c.txt", ["a.txt"]), name="second")
    fleet.run("wave", fleet.plan(taker), "--yes").ok(1)

    run = state_runs(fleet, repo)["taker"]
    assert run.state == "rejected"
    assert run.failure is not None
    holding = state_runs(fleet, repo)["holder"].instance
    assert f"other/c.txt is held by {holding}" in run.failure.message
    point.release()
    fleet.finish(first).ok()
    assert (repo / "other/c.txt").read_text() == "3\n"


@pytest.mark.parametrize("policy", ["spill", "extend"])
def test_an_attempt_that_was_lost_over_the_border_is_made_again(policy: str, fleet: FleetEnv) -> None:
    repo = started(fleet, on_violation=policy)
    lost = 'echo 2 > a.txt; echo n > new.txt; test "$GITFLEET_ATTEMPT" -gt 1 || kill -9 $PPID'
    retry = {"max_attempts": 2, "initial_backoff_seconds": 0}

    fleet.run("wave", fleet.plan(plan_of(task("one", lost, ["a.txt"], retry_policy=retry))), "--yes").ok()

    run = state_runs(fleet, repo)["one"]
    assert [attempt.outcome for attempt in run.attempts] == ["lost", "success"]
    assert run.state == "landed"


def test_extend_keeps_to_what_the_scope_excludes(fleet: FleetEnv) -> None:
    repo = started(fleet, on_violation="extend")

    fleet.run("wave", fleet.plan(plan_of(task("one", "echo 2 > other/c.txt", ["other", "!other/c.txt"]))), "--yes").ok(
        1
    )

    run = state_runs(fleet, repo)["one"]
    assert run.gate is not None
    assert run.gate.fallback == "its claim did not grow: its scope excludes other/c.txt"


@pytest.mark.parametrize(("entry", "code"), [(".", 1), ("check.sh", 0)])
def test_a_checks_own_script_must_be_named(entry: str, code: int, fleet: FleetEnv) -> None:
    repo = started(fleet, checks=("sh ./check.sh",))
    plan = fleet.plan(plan_of(task("one", "echo '# weaker' >> check.sh", [entry])))

    noted = fleet.run("plan", plan).ok()
    assert ("its scope covers check.sh" in noted.out) is (code == 1)
    outcome = fleet.run("wave", plan, "--yes").ok(code)

    run = state_runs(fleet, repo)["one"]
    if code:
        assert run.gate is not None
        assert [(one.path, one.reason) for one in run.gate.violations] == [("check.sh", "protected")]
        assert "name each path in its scope" in outcome.out


def test_protected_can_be_switched_off_and_replaced(fleet: FleetEnv) -> None:
    repo = started(fleet, checks=("sh ./check.sh",), protected=["other"])
    plan = plan_of(task("one", "echo '# other' >> check.sh", ["."]), task("two", "echo 2 > other/c.txt", ["."]))

    fleet.run("wave", fleet.plan(plan), "--yes").ok(1)

    assert states(fleet, repo) == {"one": "landed", "two": "rejected"}


@pytest.mark.parametrize(("policy", "code"), [("reject", 3), ("spill", 0), ("extend", 0)])
def test_what_the_target_renamed_meanwhile_meets_the_policy_too(policy: str, code: int, fleet: FleetEnv) -> None:
    lines = "".join(f"{number}\n" for number in range(20))
    repo = fleet.repo({"src/a.txt": lines, "src/b.txt": "b\n"})
    fleet.config(repo, config_of(scope={"on_violation": policy}, conflict="hold"))
    point = fleet.point("renamed")
    work = f"sed -i s/^7$/seven/ src/a.txt; echo 2 > src/b.txt; {point.shell}"
    session = fleet.start("wave", fleet.plan(plan_of(task("one", work, ["src"]))), "--yes")
    point.wait()
    fleet.shell("mkdir web && git mv src/a.txt web/a.txt && git commit -qm rename", repo)
    point.release()
    fleet.finish(session).ok(code)

    run = state_runs(fleet, repo)["one"]
    assert run.gate is not None
    if policy == "reject":
        assert run.state == "conflicted"
        return
    assert run.state == "landed"
    assert [(one.path, one.outcome) for one in run.gate.violations] == [
        ("web/a.txt", {"spill": "spilled", "extend": "extended"}[policy])
    ]
    assert (repo / "src/b.txt").read_text() == "2\n"
    assert ("seven" in (repo / "web/a.txt").read_text()) is (policy == "extend")
    if policy == "spill":
        branch = spill_of(fleet, repo, "one")
        assert run.gate.spilled == branch
        assert fleet.git("diff", "--name-only", f"{branch}^1", branch) == "web/a.txt"
        assert "seven" in fleet.git("show", f"{branch}:web/a.txt")
    else:
        assert run.extended == ("web/a.txt",)


def test_a_branch_in_the_place_of_spill_branches_is_refused_at_the_start(fleet: FleetEnv) -> None:
    repo = started(fleet, on_violation="spill")
    fleet.git("branch", "fleet-spill")

    outcome = fleet.run("wave", fleet.plan(plan_of(task("one", "true", ["a.txt"]))), "--yes").ok(3)

    assert "fleet-spill" in outcome.text
    assert states(fleet, repo) == {}
