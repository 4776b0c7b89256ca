"""Runs that wait for a person's permission, and attempts that go on where the one before stopped, in whole sessions.

The agent is a script that prints a stream of its own and is told which session of its program it goes on with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.sessions import config_of, plan_of, state_runs
from tests.support.told import BEGAN, END, says, turn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.fleet import FleetEnv


DENIED = says(denied="Bash", argument="make deploy") + says(end="permission-denied")
ASKS = f"""\
if [ -z "$TOLD_RESUME" ]; then
  echo half > a.txt; echo loose > ignored.o
{BEGAN}{turn(1, 10)}{DENIED}
else
{BEGAN}{turn(2, 7)}
  test "$TOLD_RESUME" = cli-1 && test -e ignored.o && grep -q half a.txt || exit 9
  echo "$TOLD_GRANTS" >> a.txt; cat > ../../prompt
{END}
fi
"""


@pytest.fixture(autouse=True)
def told(fleet: FleetEnv) -> None:
    """Let the agent `opencode` be the one that tells, and the user's state be the test's own."""
    fleet.program = ("-m", "tests.support.told")
    fleet.variables["XDG_STATE_HOME"] = str(fleet.root / "state")


def job(name: str, script: str, **more: object) -> dict[str, object]:
    """A task of the agent that tells."""
    return {"id": name, "instructions": script, "scope": [f"{name}.txt"], "agent": "opencode", **more}


def claims(fleet: FleetEnv) -> list[str]:
    """The tasks that hold a claim."""
    return [claim["task"] for claim in fleet.run("claims", "--json").ok().json["claims"]]


def begin(fleet: FleetEnv, *tasks: Mapping[str, object], **config: Any) -> Path:  # noqa: ANN401 - settings
    repo = fleet.repo({"README.md": "A project.\n", ".gitignore": "*.o\n"})
    fleet.config(repo, config_of(**config))
    fleet.run("wave", fleet.plan(plan_of(*tasks)), "--yes").ok(3)
    return repo


def test_a_denied_permission_parks_the_run_and_an_approval_lets_it_go_on(fleet: FleetEnv) -> None:
    other = {"id": "b", "command": "echo b > b.txt", "scope": ["b.txt"]}
    after = {"id": "c", "command": "echo c > c.txt", "scope": ["c.txt"], "depends_on": ["a"]}
    repo = begin(fleet, job("a", ASKS), other, after)
    runs = state_runs(fleet, repo)
    assert [runs[task].state for task in "abc"] == ["queued", "landed", "queued"]
    parked = runs["a"].parked
    assert parked is not None
    assert (parked.denied[0].tool, parked.denied[0].argument, parked.cli_session) == ("Bash", "make deploy", "cli-1")
    assert (parked.account, parked.approved, runs["a"].attempts[0].outcome) == ("", False, "permission-denied")
    assert parked.since
    assert claims(fleet) == ["a"]
    command = f"gitfleet approve {runs['a'].instance}"
    needs = fleet.run("status", "--json").ok().json["needs"]
    assert any("Bash(make deploy)" in need["reason"] and need["next"] == command for need in needs)
    assert command in fleet.run("inspect", "a").ok().out
    # It waits on: going on without a word changes nothing.
    assert "make deploy" in fleet.run("continue").ok(3).out
    assert claims(fleet) == ["a"]

    told = fleet.run("approve", "a", "--json").ok().json
    assert (told["action"], told["coordinator"], told["permissions"][0]["argument"]) == (
        "approved",
        False,
        "make deploy",
    )
    assert claims(fleet) == ["a"]
    fleet.run("continue").ok()
    run = state_runs(fleet, repo)["a"]
    assert [run.state for run in state_runs(fleet, repo).values()] == ["landed"] * 3
    first, second = run.attempts
    assert (second.continues, second.cli_session, second.base) == ("cli-1", "cli-1", first.base)
    assert (second.worktree, run.going_on, run.parked) == (first.worktree, False, None)
    assert [(one.tool, one.argument) for one in run.grants] == [("Bash", "make deploy")]
    assert fleet.git("show", "main:a.txt", cwd=repo) == "half\nBash(make deploy)"
    prompt = (fleet.root / "prompt").read_text()
    assert "Bash(make deploy)" in prompt
    assert "# Task" not in prompt
    assert claims(fleet) == []


def test_a_session_that_runs_takes_an_approval_at_once(fleet: FleetEnv) -> None:
    point = fleet.point("other")
    repo = fleet.repo({"README.md": "A project.\n", ".gitignore": "*.o\n"})
    fleet.config(repo, config_of())
    other = {"id": "b", "command": f"{point.shell}; echo b > b.txt", "scope": ["b.txt"]}
    wave = fleet.start("wave", fleet.plan(plan_of(job("a", ASKS), other)), "--yes")
    point.wait()
    until_parked(fleet, repo)
    told = fleet.run("approve", "a", "--json").ok().json
    assert told["coordinator"]
    point.release()
    fleet.finish(wave).ok()
    assert [run.state for run in state_runs(fleet, repo).values()] == ["landed", "landed"]


def until_parked(fleet: FleetEnv, repo: Path, task: str = "a") -> None:
    """Follow the journal until a person is needed."""
    follow = fleet.start("events", "-f", "--json")
    assert follow.stdout is not None
    for line in follow.stdout:
        if '"needs-person"' in line and f'"{task}"' in line:
            break
    follow.kill()
    fleet.finish(follow)
    assert state_runs(fleet, repo)[task].parked is not None
