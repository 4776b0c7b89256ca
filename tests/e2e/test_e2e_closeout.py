"""The checklist of sessions and runs, from the state and from records alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sessions import common_dir, config_of, plan_of, session_ids, task

if TYPE_CHECKING:
    from typing import Any

    from tests.support.fleet import FleetEnv, Outcome

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

REPORT = """printf '{"built": ["it"]}' >"$GITFLEET_HANDOFF"; """
ONE = task("one", REPORT + "echo 1 > one.txt", ["one.txt"])
POINTS = ["handoff", "gate", "checks", "commit", "claim", "worktree", "usage"]


def missing(outcome: Outcome) -> dict[str, list[str]]:
    """The points that do not hold, by task."""
    report: Any = outcome.json
    return {run["task"]: [item["point"] for item in run["items"] if not item["ok"]] for run in report["runs"]}


def test_a_session_is_closed_out_here_and_in_a_fresh_clone(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(["test -e one.txt"]))
    fleet.run("wave", fleet.plan(plan_of(ONE)), "--yes").ok()
    (session,) = session_ids(fleet, repo)
    here = fleet.run("closeout", session, "--json").ok().json
    assert here["schema"] == "gitfleet/report/closeout/v1"
    assert here["ok"]
    assert here["session"] == session
    assert here["session_state"] == "completed"
    assert here["target"] == "refs/heads/main"
    assert here["source"] == "state"
    assert here["mend"] == ""
    (run,) = here["runs"]
    assert (run["task"], run["state"], run["ok"]) == ("one", "landed", True)
    assert [item["point"] for item in run["items"]] == POINTS
    assert {item["found"] for item in run["items"] if item["point"] == "usage"} == {"not measured"}
    assert "Nothing needs you: 1 run closed out." in fleet.run("closeout", session).ok().out
    fleet.git("clone", "-q", repo, fleet.root / "clone", cwd=fleet.root)
    clone = fleet.root / "clone"
    there = fleet.run("closeout", session, "--json", cwd=clone).ok().json
    assert there["source"] == "refs/heads/main"
    assert there["runs"] == here["runs"]
    alone = fleet.run("closeout", run["instance"], "--json", cwd=clone).ok().json
    assert alone["runs"] == here["runs"]
    fleet.variables |= {"_GITFLEET_COMPLETE": "bash_complete", "COMP_WORDS": "gitfleet closeout ", "COMP_CWORD": "2"}
    assert session in fleet.run(cwd=clone).out
    assert run["instance"] in fleet.run(cwd=repo).out


def test_what_is_missing_is_named_with_what_mends_it(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    two = task("two", "echo 2 > elsewhere.txt", ["two.txt"])
    fleet.run("wave", fleet.plan(plan_of(ONE, two)), "--yes").ok(1)
    (session,) = session_ids(fleet, repo)
    found = fleet.run("closeout", session, "--json").ok(1)
    assert not found.json["ok"]
    assert missing(found) == {"one": ["checks"], "two": ["handoff", "gate", "checks", "commit", "worktree"]}
    shown = fleet.run("closeout", session).ok(1).out
    assert "It needs you: 2 of 2 runs not closed out." in shown
    assert "one, checks: unverified: no checks are configured" in shown
    assert "next: gitfleet inspect fleet-" in shown
    instance = found.json["runs"][0]["instance"]
    assert list(missing(fleet.run("closeout", instance, "--json").ok(1))) == ["one"]


def test_a_landing_that_people_rewrote_is_told_as_one(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(["true"]))
    fleet.run("wave", fleet.plan(plan_of(ONE)), "--yes").ok()
    (session,) = session_ids(fleet, repo)
    commit = fleet.git("rev-parse", "main~1")
    fleet.git("reset", "-q", "--hard", "main~2")
    found = fleet.run("closeout", session, "--json").ok(1)
    assert missing(found) == {"one": ["commit"]}
    (item,) = [item for item in found.json["runs"][0]["items"] if not item["ok"]]
    assert item["found"] == f"landed, later rewritten: {commit[:12]} is not on main"
    assert item["mend"] == f"git merge {commit}"
    fleet.shell(item["mend"], repo)
    fleet.run("closeout", session).ok()


def test_a_session_that_is_not_over_is_not_done(fleet: FleetEnv) -> None:
    repo = fleet.repo({"broken": "yes\n"})
    fleet.config(repo, config_of(["test ! -e broken"]))
    fleet.run("wave", fleet.plan(plan_of(ONE)), "--yes").ok(3)
    (session,) = session_ids(fleet, repo)
    found = fleet.run("closeout", session, "--json").ok(1)
    assert found.json["session_state"] == "needs-continue"
    assert found.json["mend"] == f"gitfleet continue {session}"
    assert missing(found) == {"one": ["checks", "commit", "claim", "worktree"]}


def test_records_of_a_session_without_its_end_do_not_close_it(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(["true"]))
    fleet.run("wave", fleet.plan(plan_of(ONE)), "--yes").ok()
    (session,) = session_ids(fleet, repo)
    fleet.git("rm", "-q", f".planning/sessions/{session}/session.md")
    fleet.git("commit", "-q", "-m", "Lose the end")
    fleet.git("clone", "-q", repo, fleet.root / "clone", cwd=fleet.root)
    clone = fleet.root / "clone"
    found = fleet.run("closeout", session, "--json", cwd=clone).ok(1)
    assert found.json["session_state"] is None
    assert missing(found) == {"one": []}
    assert "It needs you: the session is not over." in fleet.run("closeout", session, cwd=clone).ok(1).out
    fleet.run("closeout", found.json["runs"][0]["instance"], cwd=clone).ok()


def test_a_name_that_nobody_knows(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    assert "no session and no instance" in fleet.run("closeout", "nobody").ok(2).err
    assert "no session and no instance" in fleet.run("closeout", "../../etc").ok(2).err
    assert "no session and no instance" in fleet.run("closeout", "fleet-x-abcdef-w1-a1").ok(2).err
    assert not (common_dir(fleet, repo) / "gitfleet").exists()


def test_damaged_records_are_named(fleet: FleetEnv) -> None:
    repo = fleet.repo({".planning/sessions/s-abcdef/runs/one.json": "{"})
    refused = fleet.run("closeout", "s-abcdef", "--json").ok(4)
    assert refused.json["error"]["code"] == "damaged-record"
    assert repo.exists()
