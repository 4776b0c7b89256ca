"""What gitfleet writes down is what happened, field by field; the registry in ``tests/house`` points here."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.model.base import decode, seconds_of
from gitfleet.model.claim import Claim
from gitfleet.model.event import Event, EventKind
from gitfleet.model.handoff import Discoveries
from gitfleet.model.momentum import SessionMomentum
from gitfleet.store.documents.front_matter import parse_facts
from tests.support.sessions import common_dir, config_of, plan_of, session_ids, state_runs, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

HANDOFF = {
    "built": ["a file"],
    "decisions": ["one line only"],
    "discoveries": [{"fact": "The file is small.", "paths": ["one.txt", "gone.txt"], "kind": "size"}],
    "remaining": ["more lines"],
    "failures": ["a try that failed"],
    "conflicts": ["with nobody"],
}
ONE = task(
    "one",
    "echo said; echo 1 > one.txt; echo more >> README.md; git rm -q old.txt; "
    f"printf '%s' '{json.dumps(HANDOFF)}' > $GITFLEET_HANDOFF",
    ["one.txt", "README.md", "old.txt"],
    name="The first",
    objective="To be first.",
    kind="skill",
    verify=[{"name": "own", "run": "echo checked; test -e one.txt"}],
)
BAD = task("bad", "echo x > two.txt; git add -A; git commit -qm x; exit 3", ["two.txt"], "one")
FILES = {"README.md": "A project.\n", "old.txt": "old\n"}


@pytest.fixture
def done(fleet: FleetEnv) -> FleetEnv:
    """A session with one run that landed and one that failed."""
    repo = fleet.repo(FILES)
    fleet.config(repo, config_of(["echo green"], waves={"max_agents": 2}))
    fleet.run("wave", fleet.plan(plan_of(ONE, BAD, direction="Onwards.")), "--yes").ok(1)
    return fleet


def test_the_record_of_a_landed_run(done: FleetEnv) -> None:
    repo = done.root / "repo"
    run = state_runs(done, repo)["one"]

    assert (run.task, run.name, run.objective, run.agent, run.kind) == (
        "one",
        "The first",
        "To be first.",
        "command",
        "skill",
    )
    assert run.instance == f"fleet-{run.session}-w1-a1"
    assert (run.wave, run.state, run.sealed) == (1, "landed", True)
    assert run.scope == ("one.txt", "README.md", "old.txt")
    assert run.depends_on == ()
    assert run.branch == f"fleet/{run.session}/one"
    assert run.base == done.git("rev-parse", "main~2")
    assert run.tip == done.git("rev-parse", run.branch)

    (attempt,) = run.attempts
    assert (attempt.number, attempt.base, attempt.outcome, attempt.usage) == (1, run.base, "success", None)
    assert seconds_of(attempt.started) <= seconds_of(attempt.ended)
    assert attempt.log_bytes == len("said\n")
    exit_ = attempt.exit
    assert exit_ is not None
    assert (exit_.code, exit_.signal, exit_.reason, exit_.leftovers, exit_.message) == (0, None, "exited", (), "")
    assert seconds_of(exit_.started) <= seconds_of(exit_.ended)
    assert exit_.seconds is not None
    assert 0 < exit_.seconds < 60
    assert exit_.cpu_seconds is not None
    assert 0 <= exit_.cpu_seconds < 60
    assert exit_.max_rss_kib is not None
    assert 500 < exit_.max_rss_kib < 1_000_000


def test_the_record_of_a_landed_runs_result(done: FleetEnv) -> None:
    run = state_runs(done, done.root / "repo")["one"]

    assert run.claim is not None
    assert run.claim.scope == run.scope
    assert seconds_of(run.claim.acquired) <= seconds_of(run.claim.released)
    assert run.handoff_source == "file"
    assert run.handoff is not None
    assert json.loads(
        json.dumps({name: list(getattr(run.handoff, name)) for name in ("built", "decisions", "remaining")})
    ) == {name: HANDOFF[name] for name in ("built", "decisions", "remaining")}
    assert (run.handoff.failures, run.handoff.conflicts) == (("a try that failed",), ("with nobody",))
    (fact,) = run.handoff.discoveries
    assert (fact.fact, fact.paths, fact.kind) == ("The file is small.", ("one.txt", "gone.txt"), "size")
    assert {(change.path, change.change, change.added, change.removed) for change in run.files} == {
        ("one.txt", "added", 1, 0),
        ("README.md", "modified", 1, 0),
        ("old.txt", "deleted", 0, 1),
    }
    (own,) = run.checks
    assert (own.name, own.run, own.exit_code, own.signal, own.timed_out, own.wrote) == (
        "own",
        "echo checked; test -e one.txt",
        0,
        None,
        False,
        (),
    )
    assert own.tail.strip() == "checked"
    assert own.seconds > 0
    assert run.gate is not None
    assert (run.gate.passed, run.gate.commits, run.gate.violations) == (True, 1, ())
    assert run.verification is not None
    assert run.verification.verdict == "verified"
    assert [check.run for check in run.verification.checks] == ["echo green"]
    assert done.git("cat-file", "-t", run.verification.tree) == "tree"
    assert run.merge is not None
    assert (run.merge.landing, run.merge.target) == (1, "refs/heads/main")
    assert done.git("rev-parse", f"{run.merge.commit}^2") == run.tip
    assert (run.failure, run.conflicts) == (None, ())
    assert run.receipt is not None
    assert (run.receipt.verdict, run.receipt.source) == ("pass", None)
    assert run.merge.commit[:7] in run.receipt.reason


def test_the_record_of_a_failed_run(done: FleetEnv) -> None:
    run = state_runs(done, done.root / "repo")["bad"]

    assert run.state == "failed"
    assert run.depends_on == ("one",)
    assert run.failure is not None
    assert (run.failure.source, run.failure.code) == ("task", "exit-code")
    assert "3" in run.failure.message
    assert run.attempts[0].exit is not None
    assert run.attempts[0].exit.code == 3
    assert run.receipt is not None
    assert (run.receipt.verdict, run.receipt.source) == ("fail", "task")
    assert run.handoff_source == "none"
    assert run.merge is None


def test_the_commit_of_a_violation_is_named(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.run("wave", fleet.plan(plan_of(task("bad", "echo x > x; git add -A; git commit -qm x", ["y"]))), "--yes").ok(
        1
    )

    run = state_runs(fleet, repo)["bad"]
    assert run.gate is not None
    assert not run.gate.passed
    assert run.gate.violations[0].commit == fleet.git("rev-parse", run.branch)


def test_the_record_of_a_session(done: FleetEnv) -> None:
    repo = done.root / "repo"
    (session,) = session_ids(done, repo)
    home = common_dir(done, repo) / "gitfleet/state/sessions" / session

    facts, body = parse_facts((home / "session.md").read_bytes())

    runs = state_runs(done, repo)
    (landing,) = facts["landings"]
    assert (facts["schema"], facts["id"], facts["name"]) == ("gitfleet/session/v1", session, "trial")
    assert (facts["state"], facts["target"], facts["waves"]) == ("completed", "refs/heads/main", [["one"], ["bad"]])
    assert facts["base"] == runs["one"].base
    assert seconds_of(facts["started"]) <= seconds_of(landing["at"]) <= seconds_of(facts["ended"])
    assert (facts["max_agents"], facts.get("rolling", False)) == (2, False)
    assert (facts["direction"], facts.get("reason", "")) == ("Onwards.", "")
    assert (landing["number"], landing["tasks"], landing["verdict"]) == (1, ["one"], "verified")
    assert (landing["previous"], landing["commit"]) == (facts["base"], done.git("rev-parse", "main"))
    assert landing["candidate"] == done.git("rev-parse", "main~1")
    assert facts["clone"]
    assert facts.get("reversibility", "amber") in {"green", "amber"}
    assert "bad" in body
    assert len(body.splitlines()) <= 150


def test_discoveries_are_pinned_to_blobs(done: FleetEnv) -> None:
    repo = done.root / "repo"
    run = state_runs(done, repo)["one"]

    found = decode(done.git_raw("show", f"main:.planning/discoveries/{run.session}/one.json").stdout, Discoveries)

    (discovery,) = found.discoveries
    assert (found.session, found.task) == (run.session, "one")
    assert (discovery.fact, discovery.kind, discovery.source) == ("The file is small.", "size", run.instance)
    assert {pin.path: pin.blob for pin in discovery.pins} == {
        "one.txt": done.git("rev-parse", f"{run.tip}:one.txt"),
        "gone.txt": "",
    }


def test_momentum_is_the_sessions_share(done: FleetEnv) -> None:
    repo = done.root / "repo"
    (session,) = session_ids(done, repo)

    share = decode((common_dir(done, repo) / f"gitfleet/state/momentum/{session}.json").read_bytes(), SessionMomentum)

    assert share.session == session
    assert seconds_of(share.ended) > 0
    assert {"one.txt", "README.md"} <= set(share.scopes)
    assert any("one line only" in decision for decision in share.decisions)
    assert any("bad" in failure for failure in share.failures)
    assert [discovery.fact for discovery in share.discoveries] == ["The file is small."]


def test_events_tell_the_story(done: FleetEnv) -> None:
    report = done.run("events", "--json").ok().json
    events = [decode(json.dumps(event).encode(), Event) for event in report["events"]]

    kinds = [event.kind for event in events]
    order = [
        EventKind.SESSION_START,
        EventKind.WAVE_START,
        EventKind.AGENT_START,
        EventKind.AGENT_COMPLETE,
        EventKind.LAND,
    ]
    assert [kind for kind in kinds if kind in order][:5] == order
    assert {event.session for event in events} == set(session_ids(done, done.root / "repo"))
    assert [event.at for event in events] == sorted(event.at for event in events)
    started = next(event for event in events if event.kind is EventKind.AGENT_START)
    assert (started.task, started.wave) == ("one", 1)
    assert started.instance.endswith("-w1-a1")
    assert "one" in started.message
    ended = [event.status for event in events if event.kind is EventKind.AGENT_COMPLETE]
    assert ended == ["success", "exit-code"]


def test_a_live_claim_says_who_holds_what(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("inside")
    session = fleet.start(
        "wave", fleet.plan(plan_of(task("one", f"{point.shell}; echo x > x", ["x", "!x/y"]))), "--yes"
    )
    point.wait()

    (path,) = (common_dir(fleet, repo) / "gitfleet/state/claims").glob("*.json")
    claim = decode(path.read_bytes(), Claim)
    shown = fleet.run("claims", "--json").ok().json
    told = fleet.run("claims").ok().out

    point.release()
    assert fleet.finish(session).code == 0
    run = state_runs(fleet, repo)["one"]
    assert (claim.instance, claim.session, claim.task) == (run.instance, run.session, "one")
    assert claim.scope == ("x", "!x/y")
    assert seconds_of(claim.acquired) > 0
    assert claim.clone
    assert claim.folded is (fleet.git("config", "--get", "core.ignorecase", ok=(0, 1)) == "true")
    assert claim.port_base % 10 == 0
    assert run.instance in json.dumps(shown)
    assert run.instance in told
    assert fleet.run("claims", "--json").ok().json != shown


def test_a_dry_run_discloses_and_starts_nothing(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(["echo green"], waves={"max_agents": 2}, agents={"looker": {"argv": ["true"]}}))
    research = {"id": "look", "instructions": "Look.", "agent": "looker", "estimate": {"tokens": 500}}
    plan = fleet.plan(plan_of(ONE, BAD, research, direction="Onwards."))

    told: dict[str, Any] = fleet.run("wave", plan, "--dry-run", "--json").ok().json

    assert (told["plan"], told["direction"], told["agents"], told["max_agents"]) == ("trial", "Onwards.", 3, 2)
    assert (told.get("rolling", False), told.get("creates_target", False)) == (False, False)
    placed = {row["task"]: row for wave in told["waves"] for row in wave["tasks"]}
    assert (placed["look"]["agent"], placed["look"]["tokens"]) == ("looker", 500)
    assert (placed["one"].get("agent", "command"), placed["one"].get("tokens", 0)) == ("command", 0)
    assert (placed["one"]["command"], placed["look"].get("command", "")) == (ONE["command"], "")
    assert told["budget_tokens"] == 500
    assert "wave" in told["reversibility_reason"]
    assert told.get("notes", []) == []
    assert (told["target"], told["base"]) == ("refs/heads/main", fleet.git("rev-parse", "main"))
    assert told["checks"] == ["echo green"]
    assert ONE["command"] in told["commands"]
    assert told["permissions"]
    assert told["reversibility"] == "green" or told["reversibility"] == "amber"
    assert told["worktrees"].endswith("repo.fleet")
    assert [wave["number"] for wave in told["waves"]] == [1, 2]
    second = placed["bad"]
    assert (second["task"], second["depends_on"], second["scope"]) == ("bad", ["one"], ["two.txt"])
    assert "one" in second["reason"]
    assert placed["one"]["name"] == "The first"
    assert session_ids(fleet, repo) == []
    assert not (fleet.root / "repo.fleet").exists()
    assert fleet.run("plan", plan, "--json").ok().json == told


def test_an_invalid_plan_names_every_place(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    plan = fleet.plan(
        "schema: gitfleet/plan/v1\nname: x\ntasks:\n"
        "  - id: one\n    scop: [x]\n"
        "  - id: one\n    command: 'true'\n    scope: [/x]\n"
    )

    refused = fleet.run("wave", plan, "--yes", "--json").ok(2).json["error"]

    assert (refused["kind"], refused["code"]) == ("document", "invalid-plan")
    assert refused["message"]
    places = {(problem["path"], problem["line"]) for problem in refused["problems"]}
    assert len(places) >= 3
    assert {problem["document"] for problem in refused["problems"]} <= {"plan.yaml", str(plan)}
    assert any("scope" in problem.get("hint", "") + problem.get("message", "") for problem in refused["problems"])
    assert any(problem.get("expected") for problem in refused["problems"])
    assert all(problem["column"] for problem in refused["problems"] if problem["line"])
    assert session_ids(fleet, repo) == []


def test_check_reports_what_is_wrong_and_what_is_foreign(done: FleetEnv) -> None:
    repo = done.root / "repo"
    before = done.run("check", "--json").ok().json
    (repo / ".planning" / "mine.txt").write_text("mine\n")
    fine = done.run("check", "--json").ok().json
    (record,) = (repo / ".planning").glob("sessions/*/runs/one.json")
    os.chmod(record, 0o644)  # noqa: PTH101 - on a path from glob
    record.write_text(record.read_text().replace('"wave": 1', '"wave": 0'))

    broken = done.run("check", "--json").json

    assert fine["documents"] >= 4
    assert fine.get("problems", []) == []
    assert fine["alien"] == before["alien"] + 1
    assert broken["problems"][0]["path"] == "wave"
    assert broken["problems"][0]["document"].endswith("one.json")
