"""Every option of the command line changes what happens; the registry in ``tests/house`` points here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.support.sessions import config_of, plan_of, record_commits, session_ids, state_runs, states, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

ROOT = Path(__file__).parents[2]
ONE = task("one", "echo said; echo 1 > one.txt", ["one.txt"])
TWO = task("two", "echo 2 > two.txt", ["two.txt"])
AFTER = task("after", "cat one.txt > after.txt", ["after.txt"], "one")


def test_wave_target_lands_on_another_branch(fleet: FleetEnv) -> None:
    fleet.repo()
    fleet.git("branch", "work")

    fleet.run("wave", fleet.plan(plan_of(ONE)), "--yes", "--target", "work").ok()

    assert len(record_commits(fleet, fleet.root / "repo", "work")) == 1
    assert record_commits(fleet, fleet.root / "repo", "main") == []


@pytest.mark.parametrize("spelling", ["--max-agents", "--max-workers"])
def test_wave_max_agents_limits_a_wave(spelling: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()

    fleet.run("wave", fleet.plan(plan_of(ONE, TWO)), "--yes", spelling, "1").ok()

    assert {run.wave for run in state_runs(fleet, repo).values()} == {1, 2}


def test_wave_only_brings_in_dependencies(fleet: FleetEnv) -> None:
    repo = fleet.repo()

    fleet.run("wave", fleet.plan(plan_of(ONE, TWO, AFTER)), "--yes", "--only", "after").ok()

    assert states(fleet, repo) == {"one": "landed", "after": "landed"}


def test_wave_agent_is_the_default_agent(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    agents = {name: {"argv": ["sh", "-c", f"echo {name} > one.txt"]} for name in ("left", "right")}
    fleet.config(repo, config_of(agents=agents, agent="left"))
    plan = fleet.plan(plan_of({"id": "one", "instructions": "Write.", "scope": ["one.txt"]}))

    fleet.run("wave", plan, "--yes", "--agent", "right").ok()

    assert (repo / "one.txt").read_text() == "right\n"


def test_wave_fetch_updates_the_target_first(fleet: FleetEnv) -> None:
    upstream = fleet.repo(name="upstream")
    fleet.git("branch", "work", cwd=upstream)
    repo = fleet.root / "repo"
    fleet.git("clone", "-q", "-b", "work", upstream, repo, cwd=fleet.root)
    fleet.identify(repo)
    fleet.git("switch", "-q", "work", cwd=upstream)
    (upstream / "new.txt").write_text("upstream\n")
    fleet.git("add", "new.txt", cwd=upstream)
    fleet.git("commit", "-qm", "Upstream", cwd=upstream)

    fleet.run("wave", fleet.plan(plan_of(task("one", "cat new.txt > one.txt", ["one.txt"]))), "--yes", "--fetch").ok()

    assert (repo / "one.txt").read_text() == "upstream\n"


@pytest.mark.parametrize("command", [("plan",), ("wave", "--dry-run")])
def test_plan_options_change_the_view(command: tuple[str, ...], fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.git("branch", "work")
    fleet.config(repo, config_of(agents={"a": {"argv": ["true"]}}))
    plan = fleet.plan(plan_of(ONE, AFTER, {"id": "free", "instructions": "x", "scope": ["free.txt"]}))
    options = ("--target", "work", "--max-agents", "1", "--rolling", "--only", "one", "--only", "free", "--agent", "a")

    told: dict[str, Any] = fleet.run(command[0], plan, *command[1:], *options, "--json").ok().json

    assert (told["target"], told["max_agents"], told["rolling"]) == ("refs/heads/work", 1, True)
    assert [[placed["task"] for placed in wave["tasks"]] for wave in told["waves"]] == [["one"], ["free"]]
    assert told["waves"][1]["tasks"][0]["agent"] == "a"
    assert session_ids(fleet, repo) == []


def test_plan_explain_gives_reasons_and_output_writes_the_plan(fleet: FleetEnv) -> None:
    fleet.repo()
    plan = fleet.plan(plan_of(ONE, AFTER))
    written = fleet.root / "written.yaml"

    assert "depends on one" not in fleet.run("plan", plan).ok().out
    assert "depends on one" in fleet.run("plan", plan, "--explain").ok().out
    fleet.run("plan", plan, "--output", written).ok()

    assert fleet.run("plan", written, "--json").ok().json["agents"] == 2


def test_sessions_are_chosen_by_name(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    for name in ("first", "second"):
        fleet.run(
            "wave", fleet.plan(plan_of(task("one", f"echo {name} >> log.txt", ["log.txt"]), name=name)), "--yes"
        ).ok()
    first, second = session_ids(fleet, repo)

    for session, other in ((first, second), (second, first)):
        assert session in fleet.run("inspect", "one", "--session", session).ok().out
        log = fleet.run("logs", "one", "--session", session, "--json").ok().json
        assert log["instance"] == f"fleet-{session}-w1-a1"
        events = fleet.run("events", session).ok().out
        assert session in events
        assert other not in events
        assert fleet.run("continue", session).code == 0
        assert session in fleet.run("status", session).ok().out


def test_logs_options_select_what_is_shown(fleet: FleetEnv) -> None:
    fleet.repo()
    loud = task("one", "seq 1 100; printf '\\033[31mred\\033[0m\\n'; echo 1 > one.txt", ["one.txt"])
    fleet.run("wave", fleet.plan(plan_of(loud)), "--yes").ok()

    assert fleet.run("logs", "one", "--lines", "2").ok().out.splitlines()[0] == "100"
    assert "\033[31m" in fleet.run("logs", "one", "--raw").ok().out
    assert "\033" not in fleet.run("logs", "one").ok().out
    assert fleet.run("logs", "one", "--attempt", "1", "-f").ok().out == fleet.run("logs", "one").ok().out
    assert fleet.run("logs", "one", "--attempt", "7").code != 0
    assert len(fleet.run("events", "-n", "1").ok().out.splitlines()) == 1
    assert fleet.run("events", "--follow").ok().out == fleet.run("events").ok().out


def test_an_open_session_is_amended(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    point = fleet.point("inside")
    session = fleet.start(
        "wave", fleet.plan(plan_of(task("one", f"{point.shell}; echo 1 > one.txt", ["one.txt"]), AFTER)), "--yes"
    )
    point.wait()
    (name,) = session_ids(fleet, repo)
    added = fleet.plan(plan_of(task("added", "echo a > added.txt", ["added.txt"])), "task.yaml")

    fleet.run("add", added, "--yes", "--session", name).ok()
    fleet.run("cancel", "after", "--session", name).ok()
    point.release()
    fleet.finish(session)

    assert states(fleet, repo) == {"one": "landed", "after": "cancelled", "added": "landed"}


def test_open_prints_a_worktree_and_clean_removes_what_landed(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.run("wave", fleet.plan(plan_of(ONE, task("bad", "echo x > x; exit 1", ["x"]))), "--yes").ok(1)
    (session,) = session_ids(fleet, repo)

    path = Path(fleet.run("open", "bad", "--print", "--session", session).ok().out.strip())
    dry = fleet.run("clean", "--dry-run", "--json").ok().json

    assert (path / ".git").exists()
    assert dry["dry_run"] is True
    assert fleet.git("branch", "--list", "fleet/*/one") != ""
    fleet.run("clean").ok()
    assert fleet.git("branch", "--list", "fleet/*/one") == ""
    assert fleet.git("branch", "--list", "fleet/*/bad") != ""


def test_status_lists_closed_sessions_on_demand_and_watches_only_in_a_terminal(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.run("wave", fleet.plan(plan_of(ONE)), "--yes").ok()
    (session,) = session_ids(fleet, repo)

    assert session in fleet.run("status", "--all").ok().out
    assert fleet.run("status", "--watch").code != 0


def test_init_yes_writes_a_config(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.run("init", "--yes").ok()
    assert (repo / ".planning" / "config.yaml").is_file()
    assert fleet.git("log", "--oneline").count("\n") == 0


COMMANDS: dict[str, tuple[str, ...]] = {
    "init": ("init", "--yes"),
    "plan": ("plan", "{plan}"),
    "wave": ("wave", "{plan}", "--yes"),
    "continue": ("continue",),
    "status": ("status",),
    "inspect": ("inspect", "one"),
    "logs": ("logs", "one"),
    "events": ("events",),
    "claims": ("claims",),
    "add": ("add", "{task}", "--yes"),
    "cancel": ("cancel", "one"),
    "pause": ("pause",),
    "resume": ("resume",),
    "drain": ("drain",),
    "stop": ("stop", "--all"),
    "interrupt": ("interrupt", "one"),
    "restart": ("restart", "one"),
    "closeout": ("closeout", "{session}"),
    "open": ("open", "one", "--print"),
    "check": ("check",),
    "doctor": ("doctor",),
    "clean": ("clean",),
    "demo": ("demo", "{demo}"),
    "completion": ("completion", "bash"),
}


def schema_for(answer: dict[str, Any]) -> dict[str, Any]:
    """The shipped schema that an answer says it follows; the error's when it says none."""
    for path in sorted((ROOT / "schemas").glob("*.schema.json")):
        schema: dict[str, Any] = json.loads(path.read_text())
        mark = schema.get("properties", {}).get("schema", {})
        if "schema" in answer and answer["schema"] in (mark.get("const"), *mark.get("enum", ())):
            return schema
        if set(answer) == {"error"} and path.name == "error.schema.json":
            return schema
    raise AssertionError(answer)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("ends", ["well", "badly"])
def test_json_of_every_command_follows_a_schema_from_anywhere(name: str, ends: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    plan = fleet.plan(plan_of(ONE))
    looking = {"inspect", "logs", "events", "open", "status", "claims", "continue", "clean", "closeout"}
    if ends == "well" and name in looking:
        fleet.run("wave", plan, "--yes", cwd=repo)
    words = [
        word.format(
            plan=plan,
            task=fleet.plan(plan_of(TWO), "task.yaml"),
            demo=fleet.root / "demo",
            session=next(iter(session_ids(fleet, repo)), "none"),
        )
        for word in COMMANDS[name]
    ]

    where = repo if ends == "well" else fleet.root / "nowhere"
    outcome = fleet.run(*words, "--json", "--repo", where, cwd=fleet.root)

    jsonschema.Draft202012Validator(schema_for(outcome.json)).validate(outcome.json)
    if ends == "badly" and name not in {"completion", "demo", "doctor"}:
        assert outcome.code != 0
        assert "error" in outcome.json
