"""Every field of configs and plans changes what happens; the registry in ``tests/house`` points here."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.model.base import seconds_of
from tests.support.sessions import config_of, plan_of, record_commits, session_ids, state_runs, states, task

if TYPE_CHECKING:
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")

ONE = task("one", "echo 1 > one.txt", ["one.txt"])
TWO = task("two", "echo 2 > two.txt", ["two.txt"])


def wave(fleet: FleetEnv, plan: str, code: int = 0, *, config: str = "") -> None:
    """Run a plan in a fresh repository, with a config when one is given."""
    repo = fleet.root / "repo"
    if not repo.exists():
        fleet.repo()
    if config:
        fleet.config(repo, config)
    fleet.run("wave", fleet.plan(plan), "--yes").ok(code)


def waves_of(fleet: FleetEnv) -> dict[str, int]:
    return {name: run.wave for name, run in state_runs(fleet, fleet.root / "repo").items()}


# -- config ----------------------------------------------------------------------------------------------------------


def test_config_target_names_the_branch(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.git("branch", "work")
    fleet.config(repo, config_of(target="work"))

    wave(fleet, plan_of(ONE))

    assert fleet.git("show", "work:one.txt") == "1"
    assert not (repo / "one.txt").exists()


AGENT = """cat > stdin.txt
printf '%s\\n' "$@" > args.txt
printf '%s' "$SHOWN-${{HIDDEN-unset}}" > env.txt"""


def test_config_agents_argv_stdin_and_environment(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    placeholders = ["{prompt_file}", "{worktree}", "{task}", "{instance}", "{handoff_file}"]
    agent = {
        "kind": "command",
        "argv": ["sh", "-c", AGENT, "agent", *placeholders],
        "stdin": True,
        "env": {"allow": ["SHOWN"]},
    }
    fleet.config(repo, config_of(agents={"mine": agent}, agent="mine"))
    fleet.variables |= {"SHOWN": "shown", "HIDDEN": "hidden"}
    plan = {"id": "one", "instructions": "Do the one thing.", "scope": ["stdin.txt", "args.txt", "env.txt"]}

    wave(fleet, plan_of(plan))

    run = state_runs(fleet, repo)["one"]
    assert run.agent == "mine"
    prompt, worktree, name, instance, handoff = (repo / "args.txt").read_text().splitlines()
    assert (name, instance) == ("one", run.instance)
    assert worktree.endswith("repo.fleet/tree-1")
    assert prompt != handoff
    assert "Do the one thing." in (repo / "stdin.txt").read_text()
    assert (repo / "env.txt").read_text() == "shown-unset"


def test_config_branch_prefix_names_the_branches(fleet: FleetEnv) -> None:
    wave(fleet, plan_of(ONE), config=config_of(branch_prefix="robots"))

    run = state_runs(fleet, fleet.root / "repo")["one"]
    assert run.branch == f"robots/{run.session}/one"
    assert fleet.git("show", f"{run.branch}:one.txt") == "1"


@pytest.mark.parametrize(
    ("publish", "failing", "commits"), [("off", False, 0), ("with-landing", True, 0), ("always", True, 1)]
)
def test_config_publish_says_when_records_reach_the_branch(
    publish: str,
    failing: bool,  # noqa: FBT001 - a column of the table above
    commits: int,
    fleet: FleetEnv,
) -> None:
    plan = plan_of(task("bad", "exit 1", ["x"])) if failing else plan_of(ONE)

    wave(fleet, plan, 1 if failing else 0, config=config_of(planning={"publish": publish}))

    assert len(record_commits(fleet, fleet.root / "repo")) == commits
    assert bool(fleet.git("ls-tree", "-r", "main", ".planning/sessions/")) is (commits == 1)


@pytest.mark.parametrize("kind", ["skill", "research", "build", "verify"])
def test_config_timeouts_are_the_deadlines_of_kinds(kind: str, fleet: FleetEnv) -> None:
    timeouts = dict.fromkeys(("skill", "research", "build", "verify"), 600) | {kind: 1}

    wave(fleet, plan_of(task("slow", "sleep 100", ["x"], kind=kind)), 1, config=config_of(timeouts=timeouts))

    assert states(fleet, fleet.root / "repo") == {"slow": "timed-out"}


@pytest.mark.parametrize("where", ["config", "check"])
def test_config_verify_commands_have_names_and_deadlines(where: str, fleet: FleetEnv) -> None:
    check: dict[str, Any] = {"name": "patience", "run": "test ! -e one.txt || sleep 100"}
    more: dict[str, Any] = {"timeouts": {"verify": 1}}
    if where == "check":
        check["timeout_seconds"], more = 1, {}
    document = {"schema": "gitfleet/config/v1", "verify": {"commands": [check]}, **more}

    wave(fleet, plan_of(ONE), 1, config=json.dumps(document))

    verification = state_runs(fleet, fleet.root / "repo")["one"].verification
    assert verification is not None
    assert verification.verdict == "red"
    assert (verification.checks[0].name, verification.checks[0].timed_out) == ("patience", True)


def test_a_check_that_writes_a_tracked_file_is_red(fleet: FleetEnv) -> None:
    wave(fleet, plan_of(ONE), 1, config=config_of(["! test -e one.txt || echo x >> README.md"]))

    verification = state_runs(fleet, fleet.root / "repo")["one"].verification
    assert verification is not None
    assert verification.checks[0].wrote == ("README.md",)


def test_config_waves_max_agents_and_budget_limit_a_wave(fleet: FleetEnv) -> None:
    wave(fleet, plan_of(ONE, TWO), config=config_of(waves={"max_agents": 1}))
    assert waves_of(fleet) == {"one": 1, "two": 2}


def test_config_waves_budget_counts_estimates(fleet: FleetEnv) -> None:
    tasks = [{**each, "estimate": {"tokens": 60}} for each in (ONE, TWO)]

    wave(fleet, plan_of(*tasks), config=config_of(waves={"budget_tokens": 100}))

    assert waves_of(fleet) == {"one": 1, "two": 2}


@pytest.mark.parametrize(("overlap", "code"), [("sequence", 0), ("error", 2)])
def test_config_waves_overlap_sequences_or_refuses(overlap: str, code: int, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    both = [task(name, f"echo {name} >> log.txt", ["log.txt"]) for name in ("one", "two")]

    wave(fleet, plan_of(*both), code, config=config_of(waves={"overlap": overlap}))

    if code:
        assert session_ids(fleet, repo) == []
    else:
        assert waves_of(fleet) == {"one": 1, "two": 2}
        assert (repo / "log.txt").read_text() == "one\ntwo\n"


@pytest.mark.parametrize("how", ["config", "option"])
def test_rolling_starts_a_task_without_waiting_for_its_wave(how: str, fleet: FleetEnv) -> None:
    repo = fleet.repo()
    slow, after = fleet.point("slow"), fleet.point("after")
    fleet.config(repo, config_of(waves={"rolling": how == "config"}))
    plan = plan_of(
        task("slow", f"{slow.shell}; echo x > slow.txt", ["slow.txt"]),
        ONE,
        task("next", f"echo x > next.txt; {after.shell}", ["next.txt"], "one"),
    )
    session = fleet.start("wave", fleet.plan(plan), "--yes", *(["--rolling"] if how == "option" else []))

    slow.wait()
    after.wait()  # of the second wave, while the first still runs
    slow.release()
    after.release()

    assert fleet.finish(session).code == 0


def test_config_worktrees_root_and_ports(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(worktrees={"root": str(fleet.root / "trees"), "ports": 31000}))
    command = 'pwd > where.txt; echo "$GITFLEET_PORT_BASE" > port.txt'

    wave(fleet, plan_of(task("one", command, ["where.txt", "port.txt"])))

    assert (repo / "where.txt").read_text().startswith(str((fleet.root / "trees").resolve()))
    assert 31000 <= int((repo / "port.txt").read_text()) < 65536
    assert int((repo / "port.txt").read_text()) % 10 == 0


# -- plan ------------------------------------------------------------------------------------------------------------


def test_plan_texts_reach_the_prompt_and_inspect(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    plan = {
        "schema": "gitfleet/plan/v1",
        "name": "words",
        "direction": "The direction of it all.",
        "tasks": [
            {
                "id": "one",
                "name": "The title",
                "objective": "The objective of one.",
                "instructions": "The instructions of one.",
                "context": ["A fact from the context."],
                "reads": ["README.md"],
                "command": 'cp "$GITFLEET_PROMPT" prompt.md',
                "scope": ["prompt.md"],
            }
        ],
    }

    wave(fleet, json.dumps(plan))

    prompt = (repo / "prompt.md").read_text()
    for words in ("direction of it all", "instructions of one", "fact from the context", "README.md", "prompt.md"):
        assert words in prompt
    assert "The objective of one." in fleet.run("inspect", "one").ok().out
    run = state_runs(fleet, repo)["one"]
    assert run.session.startswith("words-")
    assert run.merge is not None
    subject = fleet.git("log", "-1", "--format=%s", run.merge.commit)
    assert subject == f"Merge one: The title ({run.instance})"


def test_plan_aliases_mean_the_same(fleet: FleetEnv) -> None:
    aliased = {
        "id": "two",
        "command": "cp one.txt two.txt",
        "deps": ["one"],
        "workspace": {"writable_paths": ["two.txt"]},
    }

    wave(fleet, plan_of(ONE, aliased))

    run = state_runs(fleet, fleet.root / "repo")["two"]
    assert (run.depends_on, run.scope) == (("one",), ("two.txt",))


def test_plan_defaults_apply_to_tasks_that_say_nothing(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(agents={"slow": {"argv": ["sleep", "100"]}}))
    plan = {
        "schema": "gitfleet/plan/v1",
        "name": "defaults",
        "defaults": {"agent": "slow", "timeout_seconds": 1, "kind": "skill"},
        "tasks": [{"id": "one", "instructions": "Wait.", "scope": ["x"]}],
    }

    wave(fleet, json.dumps(plan), 1)

    run = state_runs(fleet, repo)["one"]
    assert (run.agent, run.kind, run.state) == ("slow", "skill", "timed-out")


def test_plan_priority_and_estimates_order_what_is_free(fleet: FleetEnv) -> None:
    short = {"estimate": {"minutes": 5}}
    late, early = {**ONE, **short, "priority": 5}, {**TWO, **short, "priority": 1}
    long = {**task("long", "echo 3 > long.txt", ["long.txt"]), "estimate": {"minutes": 90}, "priority": 9}

    wave(fleet, plan_of(late, early, long), config=config_of(waves={"max_agents": 1}))

    assert waves_of(fleet) == {"long": 1, "two": 2, "one": 3}


def test_plan_verify_is_the_tasks_own_check(fleet: FleetEnv) -> None:
    bad = {**ONE, "verify": [{"name": "own", "run": "grep -q 2 one.txt"}]}
    good = {**TWO, "verify": [{"run": "grep -q 2 two.txt", "timeout_seconds": 30}]}

    wave(fleet, plan_of(bad, good), 1)

    runs = state_runs(fleet, fleet.root / "repo")
    assert (runs["one"].state, runs["two"].state) == ("failed", "landed")
    assert (runs["one"].checks[0].name, runs["one"].checks[0].exit_code) == ("own", 1)
    assert runs["two"].checks[0].green


@pytest.mark.parametrize(("artifact", "code"), [("log", 0), ("report.html", 2)])
def test_plan_expected_artifacts_are_met_or_refused(artifact: str, code: int, fleet: FleetEnv) -> None:
    wave(fleet, plan_of({**ONE, "expected_artifacts": [artifact]}), code)


def test_plan_agent_of_a_task_wins(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    agents = {name: {"argv": ["sh", "-c", f"echo {name} > one.txt"]} for name in ("left", "right")}
    fleet.config(repo, config_of(agents=agents, agent="left"))

    wave(fleet, plan_of({"id": "one", "instructions": "Write.", "scope": ["one.txt"], "agent": "right"}))

    assert (repo / "one.txt").read_text() == "right\n"


def test_a_document_of_another_schema_is_refused(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    plan = fleet.plan(plan_of(ONE).replace("plan/v1", "plan/v9"))

    fleet.run("wave", plan, "--yes").ok(2)

    assert session_ids(fleet, repo) == []


# -- retries ---------------------------------------------------------------------------------------------------------

MISSING: dict[str, Any] = {"agents": {"robot": {"kind": "command", "argv": ["/nonexistent/robot"]}}, "agent": "robot"}


def attempts_of(fleet: FleetEnv) -> dict[str, list[str]]:
    runs = state_runs(fleet, fleet.root / "repo")
    return {name: [attempt.outcome for attempt in run.attempts] for name, run in runs.items()}


def test_config_retry_bounds_attempts_and_waits(fleet: FleetEnv) -> None:
    policy = {"max_attempts": 4, "initial_backoff_seconds": 0.2, "max_backoff_seconds": 0.4, "backoff_multiplier": 2}
    asked: dict[str, object] = {"id": "one", "instructions": "x", "scope": ["one.txt"]}
    wave(fleet, plan_of(asked), 3, config=config_of(**MISSING, retry=policy))
    assert attempts_of(fleet) == {"one": ["spawn-failed"] * 4}
    events = fleet.run("events", "--json").ok().json["events"]
    assert [event["status"] for event in events if event["kind"] == "retry"] == ["spawn-failed"] * 3
    run = state_runs(fleet, fleet.root / "repo")["one"]
    tries = [(seconds_of(attempt.started), seconds_of(attempt.ended)) for attempt in run.attempts]
    waits = [after[0] - before[1] for before, after in itertools.pairwise(tries)]
    assert all(wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.2), strict=True))


def test_config_retry_that_makes_no_sense_is_refused(fleet: FleetEnv) -> None:
    fleet.repo()
    fleet.config(fleet.root / "repo", config_of(retry={"initial_backoff_seconds": 9, "max_backoff_seconds": 3}))
    refused = fleet.run("plan", fleet.plan(plan_of(ONE))).ok(2)
    assert "retry.max_backoff_seconds: the longest wait (3 s) is shorter than the first one (9 s)" in refused.err
    fleet.config(fleet.root / "repo", config_of())
    wrong = fleet.plan(plan_of({**ONE, "retry_policy": {"max_backoff_seconds": 2}}))
    refused = fleet.run("plan", wrong).ok(2)
    assert "tasks[0].retry_policy.max_backoff_seconds: the longest wait (2 s) is shorter" in refused.err
    beyond = fleet.plan(plan_of({**ONE, "retry_policy": {"max_attempts": 0, "backoff_multiplier": 0.5}}))
    refused = fleet.run("plan", beyond).ok(2)
    assert "max_attempts" in refused.err
    assert "backoff_multiplier" in refused.err


AS_MARKDOWN = """# trial

## one

scope: one.txt
retry_policy.max_attempts: 3
retry_policy.initial_backoff_seconds: 0.5
retry_safe: no

Do it.
"""
AS_TOML = """name = "trial"
[[tasks]]
id = "one"
instructions = "Do it."
scope = ["one.txt"]
retry_safe = false
retry_policy = {max_attempts = 3, initial_backoff_seconds = 0.5}
"""
AS_YAML = """name: trial
defaults: {retry_policy: {max_attempts: 9, initial_backoff_seconds: 0.5}, retry_safe: false}
tasks:
  - {id: one, instructions: Do it., scope: [one.txt], retry_policy: {max_attempts: 3}}
"""
AS_JSON = json.dumps(
    {
        "name": "trial",
        "defaults": {"retry_safe": True, "retry_policy": {"max_attempts": 3, "initial_backoff_seconds": 0.5}},
        "tasks": [{"id": "one", "instructions": "Do it.", "scope": ["one.txt"], "retry_safe": False}],
    }
)


@pytest.mark.parametrize(
    ("name", "text"),
    [("plan.md", AS_MARKDOWN), ("plan.toml", AS_TOML), ("plan.yaml", AS_YAML), ("plan.json", AS_JSON)],
)
def test_plan_retries_are_read_from_every_format(name: str, text: str, fleet: FleetEnv) -> None:
    """An agent that does not start is tried again only where that is safe, and as often as the task says."""
    repo = fleet.repo()
    fleet.config(repo, config_of(**MISSING, retry={"initial_backoff_seconds": 0}))
    shown = fleet.run("plan", fleet.plan(text, name)).ok().out
    assert "at most 3 attempts at a task" in shown
    assert "never started twice (not retry_safe): one" in shown
    fleet.run("wave", fleet.plan(text, name), "--yes").ok(3)
    assert attempts_of(fleet) == {"one": ["spawn-failed"]}
    safe = text.replace("retry_safe: no\n", "").replace("retry_safe = false\n", "").replace(", retry_safe: false", "")
    safe = safe.replace(', "retry_safe": false', "").replace("0.5", "0").replace("trial", "zweite")
    fleet.run("wave", fleet.plan(safe, name), "--yes").ok(3)
    assert attempts_of(fleet) == {"one": ["spawn-failed"] * 3}
