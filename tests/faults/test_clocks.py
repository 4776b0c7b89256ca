"""A clock that jumps an hour back or a day on, in coordinator and wardens alike: nothing is timed out or silent by it.

Both are started with a clock of their own, which jumps once a file is there; what measures spans is left alone, as a
set clock leaves it alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.faults.trial import AGENTS, CHECK, CONTINUE, SLOW, Trial, told
from tests.support.sessions import config_of, plan_of, state_runs, states, task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet import FleetEnv

pytestmark = [pytest.mark.slow, pytest.mark.leaves_worktrees("some attempts fail on purpose")]

BACK, ON = -3600, 86_400
JUMPS = pytest.mark.parametrize("seconds", [BACK, ON], ids=["back-an-hour", "on-a-day"])


def clock(fleet: FleetEnv, seconds: int) -> Path:
    """Let every command of this test, and every warden, have a clock that jumps once the file given back exists."""
    when = fleet.root / "now"
    fleet.program = ("-m", "tests.faults.driver", json.dumps({"jump": seconds, "when": str(when)}))
    return when


def sane(fleet: FleetEnv, repo: Path) -> None:
    """No negative span anywhere in the books, and nobody was timed out, silent or lost."""
    for run in state_runs(fleet, repo).values():
        for attempt in run.attempts:
            assert attempt.exit is not None
            assert attempt.exit.reason == "exited", attempt.exit
            assert attempt.exit.seconds is not None
            assert 0 <= attempt.exit.seconds < 600
        for check in run.checks:
            assert 0 <= check.seconds < 600
    report = fleet.run("status", "--all", "--json", cwd=repo).json
    assert no_negative(report), report
    events = fleet.run("events", "--json", cwd=repo).json["events"]
    assert not [event for event in events if event.get("kind") in {"stall", "timeout"}], events
    for run in state_runs(fleet, repo).values():
        assert no_negative(fleet.run("inspect", run.task, "--json", cwd=repo).json)


def no_negative(value: object, name: str = "") -> bool:
    """Whether no number of seconds in a document is negative."""
    match value:
        case dict():
            return all(no_negative(inner, str(key)) for key, inner in value.items())
        case list():
            return all(no_negative(inner, name) for inner in value)
        case bool():
            return True
        case int() | float():
            return value >= 0 or "second" not in name
        case _:
            return True


@pytest.mark.slow
@JUMPS
def test_a_clock_that_jumps_during_a_backoff_makes_it_no_longer(fleet: FleetEnv, seconds: int) -> None:
    when = clock(fleet, seconds)
    repo = fleet.repo()
    retry = {"initial_backoff_seconds": 1, "max_backoff_seconds": 2}
    # The set-up fails once: the run waits, and the clock jumps before the coordinator looks how long.
    setup = [f"test -e '{when}' || {{ touch '{when}'; exit 1; }}"]
    fleet.config(repo, config_of(["true"], retry=retry, worktrees={"setup": setup}))
    plan = fleet.plan(plan_of(task("a", "echo a > a.txt", ["a.txt"])))
    told(fleet.run("wave", plan, "--yes", cwd=repo, seconds=40)).ok()
    assert states(fleet, repo) == {"a": "landed"}
    assert len(state_runs(fleet, repo)["a"].attempts) == 2


@pytest.mark.share(2)
@JUMPS
@pytest.mark.parametrize("moment", [AGENTS, pytest.param(CONTINUE, marks=SLOW)])
def test_a_clock_that_jumps_while_agents_work_is_not_noticed(fleet: FleetEnv, moment: str, seconds: int) -> None:
    when = clock(fleet, seconds)
    trial = Trial(fleet, moment, config={"timeouts": {"build": 1800, "stall": 60}})
    told(trial.go(lambda _: when.touch())).ok()
    trial.landed()
    sane(fleet, trial.repo)
    trial.look()


@pytest.mark.share(2)
@JUMPS
def test_a_clock_that_jumps_during_a_check_is_not_noticed(fleet: FleetEnv, seconds: int) -> None:
    when = clock(fleet, seconds)
    trial = Trial(fleet, CHECK)
    told(trial.go(lambda _: when.touch())).ok()
    trial.landed()
    sane(fleet, trial.repo)
