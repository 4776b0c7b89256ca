"""What agents use, in whole sessions: rows, sums, budgets held before and while they run, crashes in between.

The agent is a script that prints a stream of usage; everything around it is as with a real one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.model.base import decode
from gitfleet.model.usage import Truth, UsageRows
from tests.support.sessions import assert_nothing_remains, common_dir, config_of, plan_of, state_runs, states
from tests.support.told import BEGAN, CALL, END, turn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees

HELD = "while :; do sleep 0.05; done\n"


@pytest.fixture(autouse=True)
def told(fleet: FleetEnv) -> None:
    """Let the agent `opencode` be the one that tells."""
    fleet.program = ("-m", "tests.support.told")


def job(name: str, *lines: str, **more: object) -> dict[str, object]:
    """A task whose agent prints these lines and writes one file."""
    script = BEGAN + "".join(lines) + f"echo {name} > {name}.txt\n" + END
    return {"id": name, "instructions": script, "scope": [f"{name}.txt"], "agent": "opencode", **more}


def rows(fleet: FleetEnv, repo: Path) -> dict[str, UsageRows]:
    """The rows of every attempt, by instance and attempt."""
    home = common_dir(fleet, repo) / "gitfleet/state/usage"
    return {path.stem: decode(path.read_bytes(), UsageRows) for path in sorted(home.glob("*/*.json"))}


def events(fleet: FleetEnv, kind: str) -> list[Any]:
    """The events of a kind."""
    return [event for event in fleet.run("events", "--json").json["events"] if event["kind"] == kind]


def test_rows_are_written_and_their_sum_is_in_the_record(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of())
    work = job("a", CALL, CALL, turn(1, 100, helper=True), turn(2, 30), turn(2, 40), CALL, turn(3, 5))
    fleet.run("wave", fleet.plan(plan_of(work)), "--yes").ok()
    ((key, found),) = rows(fleet, repo).items()
    assert found.truth is Truth.EXACT
    assert [(row.turn, row.tokens.total, row.tool_calls, row.helper) for row in found.rows] == [
        ("1", 100, 2, True),
        ("2", 40, 0, False),
        ("3", 5, 1, False),
    ]
    run = state_runs(fleet, repo)["a"]
    assert key == f"{run.instance}-1"
    assert {(row.session, row.instance, row.attempt, row.cli_session, row.model) for row in found.rows} == {
        (run.session, run.instance, 1, "cli-1", "told-1")
    }
    used = run.attempts[-1].usage
    assert used is not None
    assert (used.tokens.total, used.turns, used.tool_calls, used.truth) == (145, 2, 3, Truth.EXACT)
    sealed = json.loads(fleet.git("show", f"main:.planning/sessions/{run.session}/runs/a.json", cwd=repo))
    assert sealed["attempts"][-1]["usage"]["turns"] == 2
    assert_nothing_remains(fleet, repo)


def test_an_agent_that_uses_more_than_its_budget_is_stopped_and_its_work_kept(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of())
    work = job("a", "echo half > a.txt\n", turn(1, 600), turn(2, 600), HELD, budget={"max_tokens": 1000})
    assert fleet.run("wave", fleet.plan(plan_of(work)), "--yes").code == 1
    run = state_runs(fleet, repo)["a"]
    assert run.failure is not None
    assert (run.state, run.failure.source, run.failure.code) == ("failed", "task", "budget")
    assert "1,200 tokens of 1,000 tokens (max_tokens)" in run.failure.message
    exit_, used = run.attempts[-1].exit, run.attempts[-1].usage
    assert exit_ is not None
    assert exit_.reason == "budget"
    assert used is not None
    assert (used.tokens.total, used.truth) == (1200, Truth.NOT_MEASURED)
    assert "half" in fleet.git("show", f"{run.branch}:a.txt", cwd=repo)
    assert [event["status"] for event in events(fleet, "budget")] == ["used-up"]


@pytest.mark.parametrize(
    ("lines", "budget", "said"),
    [
        ([turn(number, 1) for number in range(4)], {"max_turns": 3}, "4 turns of 3 turns"),
        ([CALL] * 3, {"max_tool_calls": 2}, "3 tool calls of 2 tool calls"),
        ([turn(1, 1).replace('"input": 1', '"cost_usd": 0.75')], {"max_usd": 0.5}, "$0.75 of $0.50"),
        ([], {"max_seconds": 1}, "1 s of 1 s (max_seconds)"),
    ],
)
def test_every_sort_of_budget_ends_an_agent(
    fleet: FleetEnv, lines: list[str], budget: dict[str, float], said: str
) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of())
    fleet.run("wave", fleet.plan(plan_of(job("a", *lines, HELD, budget=budget))), "--yes")
    run = state_runs(fleet, repo)["a"]
    assert run.failure is not None
    assert run.failure.code == "budget"
    assert said in run.failure.message


def test_a_wave_never_starts_what_could_exceed_its_budget(fleet: FleetEnv) -> None:
    """Two of three fit at once; the third waits for a later wave, and the caps of all stay within the wave's."""
    repo = fleet.repo()
    fleet.config(repo, config_of(budgets={"wave": {"max_tokens": 100}, "task": {"max_tokens": 50}}))
    jobs = [job(name, turn(1, 40)) for name in "abc"]
    fleet.run("wave", fleet.plan(plan_of(*jobs)), "--yes").ok()
    runs = state_runs(fleet, repo)
    assert {run.attempts[0].wave for run in (runs["a"], runs["b"])} == {1}
    assert runs["c"].attempts[0].wave == 2
    assert all(run.attempts[0].budget and run.attempts[0].budget.max_tokens == 50 for run in runs.values())


def test_what_a_session_may_not_use_waits_for_a_person(fleet: FleetEnv) -> None:
    """The first uses all but 30: what the second would reserve has no room, and nothing will make any."""
    repo = fleet.repo()
    fleet.config(repo, config_of(budgets={"session": {"max_tokens": 100}}))
    jobs = [job("a", turn(1, 70), budget={"max_tokens": 80}), job("b", budget={"max_tokens": 40}, depends_on=["a"])]
    outcome = fleet.run("wave", fleet.plan(plan_of(*jobs)), "--yes")
    assert outcome.code == 3
    assert states(fleet, repo) == {"a": "landed", "b": "queued"}
    ((held,),) = [session["held"] for session in fleet.run("status", "--json").json["sessions"]]
    assert (held["task"], "the budget of the session has no room" in held["reason"]) == ("b", True)
    (waits,) = events(fleet, "waiting")
    assert "the budget of the session has no room: 70 tokens of 100 tokens are used or reserved" in waits["message"]
    assert waits["status"] == "budget"


def test_a_day_counts_every_session_of_the_repository(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(budgets={"day": {"max_tokens": 100}, "task": {"max_tokens": 60}}))
    fleet.run("wave", fleet.plan(plan_of(job("a", turn(1, 50)))), "--yes").ok()
    outcome = fleet.run("wave", fleet.plan(plan_of(job("b", turn(1, 10)), name="other")), "--yes")
    assert outcome.code == 3
    assert "the budget of the day has no room: 50 tokens of 100 tokens" in outcome.out


@pytest.mark.slow
def test_two_sessions_at_once_share_a_day_and_one_that_was_killed_gives_back_what_it_did_not_use(
    fleet: FleetEnv,
) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(budgets={"day": {"max_tokens": 100}, "task": {"max_tokens": 60}}))
    point = fleet.point("between")
    one = fleet.start("wave", fleet.plan(plan_of(job("a", turn(1, 10), f"{point.shell}\n"), name="one")), "--yes")
    point.wait()
    other = fleet.start("wave", fleet.plan(plan_of(job("b", turn(1, 20)), name="other")), "--yes")
    journals = common_dir(fleet, repo) / "gitfleet/journal"
    while not any("has no room" in path.read_text() for path in journals.glob("other-*.jsonl")):
        assert other.poll() is None
    # Nobody starts what could pass the cap, and once nobody coordinates the first, nobody waits for it.
    one.kill()
    one.wait()
    stopped = fleet.finish(other)
    assert stopped.code == 3
    assert "60 tokens of 100 tokens are used or reserved" in stopped.out
    assert "some are reserved by one-" in stopped.out
    point.release()
    names = {run.task: run.session for run in state_runs(fleet, repo).values()}
    fleet.run("continue", names["a"]).ok()
    fleet.run("continue", names["b"]).ok()
    assert states(fleet, repo) == {"a": "landed", "b": "landed"}


def test_attempts_of_one_task_share_its_budget(fleet: FleetEnv) -> None:
    """The first is lost to the machine after 30 of 100 tokens: the second may use what is left."""
    repo = fleet.repo()
    fleet.config(repo, config_of(retry={"initial_backoff_seconds": 0}))
    first = "test $GITFLEET_ATTEMPT = 2 || { " + turn(1, 30).strip() + "; kill -9 $$; }\n"
    fleet.run("wave", fleet.plan(plan_of(job("a", first, budget={"max_tokens": 100}))), "--yes").ok()
    one, two = state_runs(fleet, repo)["a"].attempts
    assert one.budget is not None
    assert two.budget is not None
    assert (one.budget.max_tokens, two.budget.max_tokens) == (100, 70)


def test_a_coordinator_that_dies_leaves_usage_to_the_next_one(fleet: FleetEnv) -> None:
    """Killed while the agent runs: what it told before and after is in the rows, and its budget still holds."""
    repo = fleet.repo()
    fleet.config(repo, config_of())
    point = fleet.point("between")
    lines = (turn(1, 600), f"{point.shell}\n", turn(2, 600), HELD)
    process = fleet.start("wave", fleet.plan(plan_of(job("a", *lines, budget={"max_tokens": 1000}))), "--yes")
    point.wait()
    process.kill()
    process.wait()
    point.release()
    assert fleet.run("continue").code == 1
    run = state_runs(fleet, repo)["a"]
    assert len(run.attempts) == 1
    assert run.failure is not None
    assert run.failure.code == "budget"
    ((_, found),) = rows(fleet, repo).items()
    assert [row.tokens.total for row in found.rows] == [600, 600]


def test_a_person_gives_a_session_more_and_it_goes_on(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(budgets={"session": {"max_tokens": 100}}))
    jobs = [job("a", turn(1, 70), budget={"max_tokens": 80}), job("b", budget={"max_tokens": 40}, depends_on=["a"])]
    outcome = fleet.run("wave", fleet.plan(plan_of(*jobs)), "--yes")
    assert "`gitfleet continue --budget session.max_tokens=N` gives more" in outcome.out
    assert fleet.run("continue").code == 3
    refused = fleet.run("continue", "--budget", "session.max_token=1")
    assert (refused.code, "invalid-budget" in refused.err or "max_token" in refused.err) == (2, True)
    fleet.run("continue", "--budget", "session.max_tokens=110").ok()
    assert states(fleet, repo) == {"a": "landed", "b": "landed"}


def test_a_task_that_could_never_start_is_refused_by_name(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(budgets={"wave": {"max_tokens": 100}, "reserve": {"max_tokens": 30}}))
    work = [job("small", budget={"max_tokens": 70}), job("large", budget={"max_tokens": 71})]
    outcome = fleet.run("wave", fleet.plan(plan_of(*work)), "--yes")
    assert outcome.code == 2
    assert "large may use 71 tokens, and budgets.wave leaves 70 tokens" in outcome.err
    assert "small" not in outcome.err
    told = fleet.run("plan", fleet.plan(plan_of(work[0]))).ok().out
    assert "a wave: at most 100 tokens; kept for the planner: at most 30 tokens" in told
    assert "each task: at most 70 tokens" in told
    both = fleet.plan(plan_of(job("a"), job("b", budget={"max_turns": 3}), defaults={"budget": {"max_tokens": 60}}))
    assert fleet.run("plan", both, "--json").ok().json["budgets"][2:] == [
        "a: at most 60 tokens, 1,000 tool calls, 200 turns",
        "b: at most 60 tokens, 1,000 tool calls, 3 turns",
    ]


def test_usage_shows_what_was_used_in_groups(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of())
    shell: dict[str, object] = {"id": "c", "command": "echo c > c.txt", "scope": ["c.txt"]}
    work: list[dict[str, object]] = [
        job("a", turn(1, 100).replace('"input": 100', '"input": 100, "cost_usd": 0.5')),
        job("b", turn(1, 11)),
        shell,
    ]
    fleet.run("wave", fleet.plan(plan_of(*work)), "--yes").ok()
    (session,) = {run.session for run in state_runs(fleet, repo).values()}
    report = fleet.run("usage", session, "--json", "--repo", repo).ok().json
    assert (report["schema"], report["by"], report["sessions"]) == ("gitfleet/report/usage/v1", "task", [session])
    assert (report["since"], report["until"], report["running"]) == ("", "", 0)
    groups = {group["name"]: group for group in report["groups"]}
    assert {name: group["total"] for name, group in groups.items()} == {"a": 100, "b": 11, "c": None}
    assert {name: group["not_measured"] for name, group in groups.items()} == {"a": 0, "b": 0, "c": 1}
    assert groups["a"]["tokens"]["cost_usd"] == 0.5
    assert (report["all"]["total"], report["all"]["unpriced"], report["all"]["not_measured"]) == (111, 1, 1)
    shown = fleet.run("usage", "--by", "agent").ok().out
    assert shown.startswith(
        "111 tokens, $0.50 where the agent told a price, used by 3 attempts; at least, since 1 attempt was not"
    )
    assert [line.split()[-1] for line in shown.splitlines()[2:]] == ["no", "exactly"]
    assert fleet.run("usage", "--by", "day", "--until", "2001-01-01", "--json").ok().json["groups"] == []
    assert [group["name"] for group in report["groups"]] == ["a", "b", "c"]
    assert all(group["seconds"] > 0 for group in report["groups"])
    assert (groups["a"]["attempts"], groups["a"]["turns"], groups["a"]["tool_calls"]) == (1, 1, 0)
    assert len(fleet.run("usage", "--since", "2001-01-01", "--json").ok().json["groups"]) == 1
    # What the closeout asks for: rows, of whoever tells what it uses.
    point = {run["task"]: run["items"][-1] for run in fleet.run("closeout", session, "--json").json["runs"]}
    assert (point["a"]["ok"], point["c"]["found"]) == (True, "not measured")
    (path,) = (common_dir(fleet, repo) / "gitfleet/state/usage").glob(
        f"*/{state_runs(fleet, repo)['a'].instance}-1.json"
    )
    path.unlink()
    point = {run["task"]: run["items"][-1] for run in fleet.run("closeout", session, "--json").json["runs"]}
    assert (point["a"]["ok"], point["b"]["ok"]) == (False, True)
    missing = fleet.run("usage", "--reconcile", "--json")
    assert missing.code == 1
    assert [one["problem"] for one in missing.json["differences"] if one["task"] == "a"] == ["missing"]


def test_status_shows_what_running_agents_used_so_far(fleet: FleetEnv) -> None:
    """Figures are there while the agent runs, and gone with the coordinator; a command has none."""
    repo = fleet.repo()
    fleet.config(repo, config_of())
    told, point = fleet.point("told"), fleet.point("command")
    shell: dict[str, object] = {"id": "c", "command": point.shell, "scope": ["c.txt"], "kind": "verify"}
    work = job("a", CALL, turn(1, 100), turn(2, 11), f"{told.shell}\n")
    process = fleet.start("wave", fleet.plan(plan_of(work, {**shell, "scope": []})), "--yes")
    told.wait()
    point.wait()
    figures = common_dir(fleet, repo) / "gitfleet/figures"
    while True:
        (session,) = fleet.run("status", "--json").ok().json["sessions"]
        live = {run["task"]: (run["turns"], run["tool_calls"], run["tokens"]) for run in session["live"]}
        if live["a"][0]:
            break
    assert live == {"a": (2, 1, 111), "c": (None, None, None)}
    assert "a: 2 turns, 1 tool call, 111 tokens so far" in fleet.run("status").out
    assert fleet.run("usage", "--json").ok().json["running"] == 2
    told.release()
    point.release()
    fleet.finish(process).ok()
    assert list(figures.iterdir()) == []
