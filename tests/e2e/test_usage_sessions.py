"""What agents use, in whole sessions: rows, sums, budgets held before and while they run, crashes in between.

The agent is a script that prints a stream of usage; everything around it is as with a real one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.model.base import decode
from gitfleet.model.usage import Truth, UsageRows
from tests.support.sessions import assert_nothing_remains, common_dir, config_of, plan_of, state_runs
from tests.support.told import BEGAN, CALL, END, turn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.keeps_worktrees

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
