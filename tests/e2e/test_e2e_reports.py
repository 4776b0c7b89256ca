"""What ``--json`` answers with is what is so, field by field; the registry in ``tests/house`` points here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.model.base import seconds_of
from tests.support.fleet import write
from tests.support.sessions import config_of, plan_of, session_ids, state_runs, states, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

ONE = task("one", "echo said; echo 1 > one.txt", ["one.txt"], name="The first")
BAD = task("bad", "echo x > x; echo y > y; exit 0", ["x"])


def test_a_live_session_in_status_and_inspect(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("inside")
    command = f"echo said; {point.shell}; echo 1 > one.txt"
    session = fleet.start("wave", fleet.plan(plan_of(task("one", command, ["one.txt"], name="The first"))), "--yes")
    point.wait()

    told: dict[str, Any] = fleet.run("status", "--json").ok().json
    seen: dict[str, Any] = fleet.run("inspect", "one", "--json").ok().json

    point.release()
    assert fleet.finish(session).code == 0
    (name,) = session_ids(fleet, repo)
    assert told.get("needs", []) == []
    assert told.get("hidden", 0) == 0
    (status,) = told["sessions"]
    assert (status["id"], status["name"], status["state"], status["target"]) == (
        name,
        "trial",
        "active",
        "refs/heads/main",
    )
    assert status["coordinator"] is True
    assert (status["wave"], status["waves"], status["counts"], status["failures"]) == (1, 1, {"running": 1}, {})
    assert seconds_of(status["started"]) > 0
    (live,) = status["live"]
    assert (live["task"], live["name"], live["state"], live["agent"]) == ("one", "The first", "running", "command")
    assert (live["instance"], live["wave"], live["attempt"], live["alive"]) == (f"fleet-{name}-w1-a1", 1, 1, True)
    assert live["elapsed_seconds"] >= live["last_activity_seconds"] >= 0
    assert live["log_bytes"] == len("said\n")

    assert (seen["run"]["task"], seen["session_state"], seen["target"]) == ("one", "active", "refs/heads/main")
    assert seen.get("host", "local") == "local"
    assert seconds_of(seen["last_pulse"]) > 0
    assert seen["latest_event"]["task"] == "one"
    assert (
        Path(seen["worktree"])
        == repo.with_name(f"{repo.name}.fleet") / state_runs(fleet, repo)["one"].attempts[0].worktree
    )
    (attempt,) = seen["attempts"]
    assert (attempt["number"], attempt["alive"]) == (1, True)
    for key in ("directory", "log", "prompt"):
        assert Path(attempt[key]).exists()
    assert "handoff" not in attempt or attempt["handoff"] is None
    assert seconds_of(attempt["last_pulse"]) > 0


def test_a_finished_session_in_wave_status_inspect_and_logs(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    ended: dict[str, Any] = fleet.run("wave", fleet.plan(plan_of(ONE, BAD)), "--yes", "--json").ok(1).json
    (name,) = session_ids(fleet, repo)
    runs = state_runs(fleet, repo)

    assert (ended["session"], ended["state"], ended["target"]) == (name, "completed", "refs/heads/main")
    assert (ended["exit_code"], ended["verdict"]) == (1, "unverified")
    assert ended.get("reason", "") == ""
    assert ended.get("red", []) == []
    rows = {row["task"]: row for row in ended["runs"]}
    assert (rows["one"]["state"], rows["bad"]["state"]) == ("landed", "rejected")
    assert runs["one"].merge is not None
    assert rows["one"]["commit"] == runs["one"].merge.commit
    assert [change["path"] for change in rows["one"]["files"]] == ["one.txt"]
    assert (rows["bad"]["branch"], rows["bad"]["wave"]) == (runs["bad"].branch, 1)
    assert rows["bad"]["instance"] == runs["bad"].instance
    assert "y" in rows["bad"]["violations"][0]
    assert "y" in rows["bad"]["reason"]
    assert rows["bad"].get("conflicts", []) == []
    (landing,) = ended["landings"]
    assert landing["commit"] == fleet.git("rev-parse", "main")
    handoff = ended["handoff"]
    assert handoff["session"] == name
    assert "one" in handoff["built"][0]
    assert "bad" in handoff["next"][0]
    assert handoff["reversibility"].startswith("green")
    assert handoff.get("conflicts", []) == []
    assert handoff.get("discoveries", []) == []

    (status,) = fleet.run("status", "--all", "--json").ok().json["sessions"]
    assert status["state"] == "completed"
    assert (status["counts"], status["failures"]) == ({"landed": 1, "rejected": 1}, {"task": 1})
    assert seconds_of(status["ended"]) >= seconds_of(status["started"])
    assert status["landings"][0]["tasks"] == ["one"]

    seen: dict[str, Any] = fleet.run("inspect", "bad", "--json").ok().json
    assert seen["latest_error"]["task"] == "bad"
    assert Path(seen["brief"]).is_file()

    log: dict[str, Any] = fleet.run("logs", "one", "--json").ok().json
    assert (log["instance"], log["attempt"], log["size"], log["running"]) == (runs["one"].instance, 1, 5, False)
    assert log["text"] == "said\n"
    assert Path(log["path"]).read_bytes() == b"said\n"
    (line,) = fleet.run("logs", "one", "-f", "--json").ok().out.splitlines()
    assert json.loads(line) == {
        "schema": "gitfleet/report/log-line/v1",
        "instance": runs["one"].instance,
        "attempt": 1,
        "text": "said",
    }


def test_what_needs_a_person_in_status(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(["exit 5"]))
    fleet.run("wave", fleet.plan(plan_of(ONE)), "--yes").ok(3)

    told: dict[str, Any] = fleet.run("status", "--json").json

    (need,) = told["needs"]
    assert need["session"] == session_ids(fleet, repo)[0]
    assert "exit 5" in need["reason"]
    assert "continue" in need["next"]
    assert need.get("task", "") in {"", "one"}
    (status,) = told["sessions"]
    assert (status["state"], status["coordinator"]) == ("needs-continue", False)
    assert "exit 5" in status["reason"]


def test_claims_of_another_tool_and_stale_ones(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    external = {"instanceId": "other-1", "scope": ["docs/"]}
    write(
        repo,
        {
            ".planning/coordination/claims/a.json": json.dumps(external),
            ".planning/coordination/claims/b.json": "not a claim",
        },
    )
    point = fleet.point("inside")
    plan = fleet.plan(plan_of(task("one", f"{point.shell}; echo 1 > one.txt", ["one.txt"])))
    session = fleet.start("wave", plan, "--yes")
    point.wait()

    told: dict[str, Any] = fleet.run("claims", "--json").ok().json

    point.release()
    fleet.finish(session)
    (row,) = told["claims"]
    (name,) = session_ids(fleet, repo)
    assert (row["session"], row["task"], row["scope"]) == (name, "one", ["one.txt"])
    assert row["instance"] == f"fleet-{name}-w1-a1"
    assert seconds_of(row["acquired"]) > 0
    assert row.get("stale", "") == ""
    (other,) = told["external"]
    assert (other["instance"], other["scope"]) == ("other-1", ["docs/"])
    assert other["file"].endswith("a.json")
    assert any("b.json" in note for note in told["notes"])


def test_amendments_answer(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("inside")
    plan = plan_of(
        task("one", f"{point.shell}; echo 1 > one.txt", ["one.txt"]), task("two", "exit 1", ["two.txt"], "one")
    )
    session = fleet.start("wave", fleet.plan(plan), "--yes")
    point.wait()

    told: dict[str, Any] = fleet.run("cancel", "two", "--json").ok().json

    point.release()
    assert fleet.finish(session).code in {0, 1}
    assert told["task"] == "two"
    assert "cancel" in told["action"]
    assert told["message"]
    assert states(fleet, repo)["two"] == "cancelled"


@pytest.mark.slow
def test_clean_open_init_doctor_completion_demo_and_idle(fleet: FleetEnv) -> None:
    repo = fleet.repo({"README.md": "x\n", "pyproject.toml": "[tool.pytest.ini_options]\n"})
    fleet.run("wave", fleet.plan(plan_of(ONE, BAD)), "--yes").ok(1)
    run = state_runs(fleet, repo)["bad"]

    opened: dict[str, Any] = fleet.run("open", "bad", "--print", "--json").ok().json
    assert (opened["instance"], opened["branch"]) == (run.instance, run.branch)
    assert (Path(opened["path"]) / ".git").exists()

    idle: dict[str, Any] = fleet.run("continue", "--json").ok().json
    assert "nothing" in idle["message"].lower() or "no " in idle["message"].lower()

    cleaned: dict[str, Any] = fleet.run("clean", "--json").ok().json
    assert cleaned["dry_run"] is False
    items = {(item["kind"], item["name"].rpartition("/")[2]): item for item in cleaned["items"]}
    assert items["branch", "one"]["removed"] is True
    assert not items.get(("branch", "bad"), {}).get("removed")
    assert all(item.get("reason") for item in cleaned["items"] if not item["removed"])
    assert cleaned["freed_bytes"] == sum(item.get("bytes") or 0 for item in cleaned["items"] if item["removed"])

    made: dict[str, Any] = fleet.run("init", "--yes", "--json").ok().json
    assert ".planning/config.yaml" in " ".join(made["written"])
    assert made["config"] == (repo / ".planning/config.yaml").read_text()
    assert all(each["setting"] and each["value"] and each["because"] for each in made["evidence"])
    assert isinstance(made.get("notes", []), list)

    health: dict[str, Any] = fleet.run("doctor", "--json").ok().json
    assert health["healthy"] is True
    assert all(finding["name"] and finding["message"] for finding in health["findings"])
    assert {finding["level"] for finding in health["findings"]} <= {"ok", "warn"}
    assert all(finding.get("hint") for finding in health["findings"] if finding["level"] == "warn")

    script: dict[str, Any] = fleet.run("completion", "zsh", "--json").ok().json
    assert script["shell"] == "zsh"
    assert "gitfleet" in script["script"]

    shown: dict[str, Any] = fleet.run("demo", fleet.root / "sample", "--json").ok().json
    assert shown["path"] == str((fleet.root / "sample").resolve())
    assert shown["exit_code"] == 0
    assert 0 < shown["seconds"] < 60
    assert session_ids(fleet, Path(shown["path"])) == [shown["session"]]
