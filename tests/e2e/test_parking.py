"""Runs that wait for a person's permission, and attempts that go on where the one before stopped, in whole sessions.

The agent is a script that prints a stream of its own and is told which session of its program it goes on with.
"""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.model.base import decode, seconds_of
from gitfleet.model.parking import GrantsDocument
from tests.support.sessions import common_dir, config_of, plan_of, state_runs
from tests.support.told import BEGAN, END, says, turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gitfleet.model.run import Run
    from tests.support.fleet import FleetEnv

pytestmark = pytest.mark.leaves_worktrees("a run that did not land keeps its tree")


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


WITHOUT = f"""\
{BEGAN}{says(denied="Web", argument="http://x")}echo b > b.txt
printf '{{"built": ["b"]}}' > "$GITFLEET_HANDOFF"
{END}
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
    other = job("b", WITHOUT)
    after = {"id": "c", "command": "echo c > c.txt", "scope": ["c.txt"], "depends_on": ["a"]}
    repo = begin(fleet, job("a", ASKS), other, after)
    runs = state_runs(fleet, repo)
    assert [runs[task].state for task in "abc"] == ["queued", "landed", "queued"]
    parked = runs["a"].parked
    assert parked is not None
    assert (parked.denied[0].tool, parked.denied[0].argument, parked.cli_session) == ("Bash", "make deploy", "cli-1")
    assert (parked.approved, runs["a"].attempts[0].outcome) == (False, "permission-denied")
    assert parked.account == runs["a"].attempts[0].account
    assert parked.since
    assert [one.words for one in runs["b"].attempts[0].denied] == ["Web(http://x)"]
    assert "did without Web(http://x)" in fleet.run("events").ok().out
    assert claims(fleet) == ["a"]
    command = f"gitfleet approve {runs['a'].instance}"
    needs = fleet.run("status", "--json").ok().json["needs"]
    assert any("Bash(make deploy)" in need["reason"] and need["next"] == command for need in needs)
    assert command in fleet.run("inspect", "a").ok().out
    report = next((common_dir(fleet, repo) / "gitfleet/state/sessions").glob("*/session.md")).read_text()
    assert f"a was not allowed to use Bash(make deploy), and waits for a person: `{command}`" in report
    # It waits on: going on without a word changes nothing.
    assert (
        f"- {command} lets a go on, which was not allowed to use Bash(make deploy)" in fleet.run("continue").ok(3).out
    )
    assert claims(fleet) == ["a"]

    told = fleet.run("approve", "a", "--json").ok().json
    assert (told["action"], told["coordinator"], told["permissions"][0]["argument"]) == (
        "approved",
        False,
        "make deploy",
    )
    assert "goes on where it stopped" in told["message"]
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


def until(holds: Callable[[], object], otherwise: str, seconds: float = 60.0) -> None:
    """Wait until something holds that another process does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


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


STOPPED = f"""\
if [ -z "$TOLD_RESUME" ]; then
{BEGAN}  echo half > a.txt; %s
  exit 1
fi
{BEGAN}
test "$TOLD_RESUME" = cli-1 && grep -q half a.txt || exit 9
echo whole >> a.txt; cat > ../../prompt
{END}
"""


def whole(fleet: FleetEnv, repo: Path, *, first: str, continues: str = "cli-1") -> Run:
    """Hold the run of a session that came to its end in a second attempt, which went on with the first."""
    run = state_runs(fleet, repo)["a"]
    one, other = run.attempts
    assert (one.outcome, run.state, other.continues) == (first, "landed", continues)
    assert (other.worktree, other.base) == (one.worktree, one.base)
    assert fleet.git("show", "main:a.txt", cwd=repo) == "half\nwhole"
    assert "# Go on" in (fleet.root / "prompt").read_text()
    return run


def test_an_agent_that_was_stopped_goes_on_where_it_was(fleet: FleetEnv) -> None:
    point = fleet.point("working")
    repo = fleet.repo()
    fleet.config(repo, config_of(retry={"max_attempts": 1}))
    wave = fleet.start("wave", fleet.plan(plan_of(job("a", STOPPED % point.shell))), "--yes")
    point.wait()
    fleet.run("stop").ok()
    fleet.finish(wave).ok(130)
    fleet.run("continue").ok()
    whole(fleet, repo, first="interrupted")


def test_an_attempt_whose_end_nobody_saw_goes_on_where_it_was(fleet: FleetEnv) -> None:
    point = fleet.point("working")
    repo = fleet.repo()
    fleet.config(repo, config_of(retry={"max_attempts": 1}))
    wave = fleet.start("wave", fleet.plan(plan_of(job("a", STOPPED % point.shell))), "--yes")
    point.wait()
    wave.kill()
    fleet.finish(wave)
    # As after a power cut: neither the coordinator nor the warden is there any more.
    (directory,) = (common_dir(fleet, repo) / "gitfleet/attempts").glob("fleet-*-a1/1")
    os.kill(json.loads((directory / "warden.json").read_text())["pid"], signal.SIGKILL)
    fleet.run("continue").ok()
    run = whole(fleet, repo, first="")
    assert run.attempts[0].snapshots


def test_a_limit_is_waited_for_until_its_reset_and_uses_up_no_attempt(fleet: FleetEnv) -> None:
    limit = """echo "{\\"limit\\": true, \\"resets\\": $(($(date +%s) + 3))}"\n""" + says(end="usage-limit")
    repo = fleet.repo()
    fleet.config(repo, config_of(retry={"max_attempts": 1, "initial_backoff_seconds": 0}))
    fleet.run("wave", fleet.plan(plan_of(job("a", STOPPED % f"{limit}exit 0"))), "--yes").ok()
    run = whole(fleet, repo, first="usage-limit")
    one, other = run.attempts
    assert seconds_of(other.started) - seconds_of(one.ended) >= 1.9
    assert one.retry.startswith("retried as attempt 2")


@pytest.mark.slow
def test_a_broken_connection_is_gone_on_from_and_counts(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of(retry={"max_attempts": 2, "initial_backoff_seconds": 0}))
    fleet.run("wave", fleet.plan(plan_of(job("a", STOPPED % f"{says(end='network')}exit 0"))), "--yes").ok()
    whole(fleet, repo, first="network")


@pytest.mark.slow
def test_a_session_that_its_program_does_not_know_begins_anew(fleet: FleetEnv) -> None:
    script = f"""\
if [ -n "$TOLD_RESUME" ]; then echo 'no such session'; exit 1; fi
{BEGAN}
if [ ! -e ../../once ]; then echo half > a.txt; touch ../../once; {says(end="network")}exit 0; fi
echo clean >> a.txt
{END}
"""
    repo = fleet.repo()
    fleet.config(repo, config_of(retry={"max_attempts": 2, "initial_backoff_seconds": 0}))
    fleet.run("wave", fleet.plan(plan_of(job("a", script))), "--yes").ok()
    run = state_runs(fleet, repo)["a"]
    assert [(one.outcome, one.continues) for one in run.attempts] == [
        ("network", ""),
        ("not-resumed", "cli-1"),
        ("success", ""),
    ]
    assert fleet.git("show", "main:a.txt", cwd=repo) == "clean"
    kept = run.attempts[1].snapshots[-1]
    assert fleet.git("show", f"{kept}:a.txt", cwd=repo) == "half"


def test_what_is_always_granted_is_the_users_own_and_can_be_revoked(fleet: FleetEnv) -> None:
    repo = begin(fleet, job("a", ASKS), job("c", ASKS.replace("a.txt", "c.txt")))
    refused = fleet.run("approve", "--always").ok(2)
    assert "INSTANCE" in refused.err
    runs = state_runs(fleet, repo)
    told = fleet.run("approve", "a", "--always", "--session", runs["a"].session, "--json").ok().json
    assert told["also"] == [runs["c"].instance]
    assert "was approved already" in fleet.run("approve", "c").ok().out
    (file,) = (fleet.root / "state/gitfleet/grants").glob("*.json")
    assert file.stat().st_mode & 0o077 == 0
    grant = decode(file.read_bytes(), GrantsDocument)
    assert json.loads(file.read_bytes())["schema"] == "gitfleet/grants/v1"
    assert grant.repository == str(common_dir(fleet, repo))
    assert [(one.agent, one.tool, one.argument) for one in grant.grants] == [("opencode", "Bash", "make deploy")]
    assert grant.grants[0].since
    fleet.run("continue").ok()
    # A new session has it from the beginning; another repository has not.
    asks = f'{BEGAN}echo "$TOLD_GRANTS" > b.txt\n{END}'
    fleet.run("wave", fleet.plan(plan_of(job("b", asks))), "--yes").ok()
    assert fleet.git("show", "main:b.txt", cwd=repo) == "Bash(make deploy)"
    listed = fleet.run("approve", "--list", "--json").ok().json
    assert [one["tool"] for one in listed["grants"]] == ["Bash"]
    other = fleet.repo(name="other")
    assert fleet.run("approve", "--list", "--json", cwd=other).ok().json["grants"] == []
    assert fleet.run("approve", "--revoke", "Bash(make deploy)", "--json").ok().json["grants"] == []
    fleet.run("approve", "--revoke", "Bash").ok(2)


def test_a_parked_run_can_be_denied_cancelled_or_started_afresh(fleet: FleetEnv) -> None:
    repo = begin(fleet, *(job(name, ASKS.replace("a.txt", f"{name}.txt")) for name in ("a", "b", "c")))
    assert sorted(claims(fleet)) == ["a", "b", "c"]
    fleet.run("approve", "a", "--deny").ok()
    fleet.run("cancel", "b").ok()
    fleet.run("restart", "c").ok()
    assert claims(fleet) == ["b"]
    fleet.run("continue").ok(3)
    runs = state_runs(fleet, repo)
    assert [(runs[name].state, runs[name].parked is None) for name in "abc"] == [
        ("failed", True),
        ("cancelled", True),
        ("queued", False),
    ]
    denied = runs["a"].failure
    assert denied is not None
    assert denied.code == "permission-denied"
    assert [one.continues for one in runs["c"].attempts] == ["", ""]
    assert claims(fleet) == ["c"]
    fleet.run("approve", "b").ok(2)


WAITS = f"""\
{BEGAN}{says(said="I begin.")}{says(call="Bash", argument="make")}%s
%s
{says(said="I go on.")}echo done > a.txt
{END}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "word"),
    [
        ({"limit": True, "resets": 4_000_000_000}, "rate-limited"),
        ({"waiting": "a person logs in"}, "needs-person"),
    ],
)
def test_waiting_is_told_and_moves_the_deadline(fleet: FleetEnv, event: dict[str, object], word: str) -> None:
    point = fleet.point("waits")
    repo = fleet.repo()
    fleet.config(repo, config_of())
    script = WAITS % (says(**event), point.shell)
    wave = fleet.start("wave", fleet.plan(plan_of(job("a", script, timeout_seconds=600))), "--yes")
    point.wait()
    follow = fleet.start("events", "-f", "--json")
    assert follow.stdout is not None
    assert any(f'"{word}"' in line for line in follow.stdout)
    follow.kill()
    fleet.finish(follow)
    (directory,) = (common_dir(fleet, repo) / "gitfleet/attempts").glob("fleet-*-a1/1")
    until((directory / "deadline").exists, "the deadline does not move")
    assert float((directory / "deadline").read_text()) > 600.9
    (live,) = fleet.run("status", "--json").ok().json["sessions"][0]["live"]
    assert live["activity"] == word
    said = fleet.run("logs", "a").ok().out
    assert "I begin.\n> Bash make\n! " in said
    assert '{"call"' in fleet.run("logs", "a", "--raw").ok().out
    assert fleet.run("logs", "a", "--lines", "1").ok().out.startswith("! ")
    point.release()
    fleet.finish(wave).ok()
    assert fleet.run("logs", "-f", "a").ok().out.endswith("I go on.\n= ended: success\n")


def test_tags_choose_tasks_and_facts_are_shown(fleet: FleetEnv) -> None:
    repo = fleet.repo()
    fleet.config(repo, config_of())
    ui = {"id": "a", "command": "echo a > a.txt", "scope": ["a.txt"], "tags": ["ui"], "metadata": {"class": "x"}}
    other = {"id": "b", "command": "echo b > b.txt", "scope": ["b.txt"], "tags": ["api"]}
    plan = fleet.plan(json.dumps({"labels": {"milestone": "v1"}, "tasks": [ui, other]}), "plan.json")
    placed = fleet.run("plan", plan, "--tag", "ui", "--json").ok().json
    assert [task["task"] for wave in placed["waves"] for task in wave["tasks"]] == ["a"]
    fleet.run("wave", plan, "--tag", "ui", "--yes").ok()
    runs = state_runs(fleet, repo)
    assert list(runs) == ["a"]
    assert (runs["a"].tags, runs["a"].metadata) == (("ui",), {"class": "x"})
    seen = fleet.run("inspect", "a").ok().out
    assert all(words in seen for words in ("ui", "class: x", "milestone: v1"))
    assert fleet.run("inspect", "a", "--json").ok().json["labels"] == {"milestone": "v1"}
    said = fleet.run("approve", "--repo", repo, "--json", cwd=fleet.root).ok().json
    assert (said["schema"], said["parked"]) == ("gitfleet/report/approve/v1", [])


def test_what_needs_the_scope_of_a_parked_run_waits_with_it(fleet: FleetEnv) -> None:
    behind = {"id": "b", "command": "echo b >> a.txt", "scope": ["a.txt"]}
    repo = begin(fleet, job("a", ASKS), behind)
    assert [run.state for run in state_runs(fleet, repo).values()] == ["queued", "queued"]
    fleet.run("approve", "a").ok()
    fleet.run("continue").ok()
    assert [run.state for run in state_runs(fleet, repo).values()] == ["landed", "landed"]
