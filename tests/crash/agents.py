"""The session with agents that tell what they use: a plan made of a direction, a limit, a permission, and budgets.

They are ``claude``'s stand-in, on one account that one attempt may work with at a time. What must be true of accounts,
rows, grants and counts afterwards is here as well, read from the files themselves.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitfleet.agents.accounts.store import Accounts
from gitfleet.app.accounts import Connection, connect
from gitfleet.model.agent_config import AgentKind
from tests.crash.scenario import Facts, Scenario, Step, account_environment, state_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STAND_IN = Path(__file__).with_name("claude_stand_in.py")
ALLOWANCE = 1000
NO_AGENTS = ("-verify", "-setup", "-check")
HELPER_TOKENS, TURN_TOKENS = 7, 15
UNCOUNTED = {"", "success", "interrupted", "stopped", "permission-denied", "rate-limited"}


def _furnish(place: Path) -> None:
    """Install the stand-in, and connect its account."""
    (place / "bin").mkdir()
    program = place / "bin/claude"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {STAND_IN} "$@"\n')
    program.chmod(0o755)
    wanted = Connection(kind=AgentKind.CLAUDE, key_env="STAND_IN_KEY", capacity=1)
    connect(Accounts.of({**os.environ, **account_environment(place)}, time.time), wanted)


def _met_everything(facts: Facts) -> None:
    runs = facts.runs
    outcomes = {task: [attempt["outcome"] for attempt in run["attempts"]] for task, run in runs.items()}
    assert outcomes == {
        "plain": ["success"],
        "limited": ["rate-limited", "success"],
        "asks": ["permission-denied", "success"],
    }, outcomes
    for task in ("limited", "asks"):
        first, second = runs[task]["attempts"]
        assert second["continues"] == first["cli_session"], runs[task]["attempts"]
    assert "/attempts/plan-" in facts.ops, "no planner was called"


def holds(place: Path, deaths: list[str], *, over: bool) -> None:
    """Hold accounts, rows, grants and counts against what the agents' own logs say; raises ``AssertionError``."""
    runs = state_runs(place / "repo/.git")
    wardens = sum(death.startswith(("warden", "agent")) for death in deaths)
    _rows(place / "repo/.git/gitfleet", runs, wardens, over=over)
    failed = [attempt.get("outcome", "") for run in runs.values() for attempt in run.get("attempts", ())]
    counted = [outcome for outcome in failed if outcome not in UNCOUNTED]
    assert len(counted) <= wardens, f"attempts count that ended as {counted}, and {deaths} died"
    if not over:
        waits = runs["asks"].get("parked", {})
        assert runs["asks"]["state"] == "queued", runs["asks"]
        assert waits.get("denied") == [{"tool": "Bash", "argument": "make deploy"}], runs["asks"]
    _account(place)
    _granted(place / "state/gitfleet/grants", over=over)


def _rows(home: Path, runs: Mapping[str, Any], wardens: int, *, over: bool) -> None:
    """Each attempt has the rows that its log tells, once; the books have their sum."""
    found = {path.stem: json.loads(path.read_bytes()) for path in (home / "state/usage").glob("*/*.json")}
    keys = [_key(row) for rows in found.values() for row in rows.get("rows", ())]
    assert len(keys) == len(set(keys)), f"rows are double: {keys}"
    known = {
        (run["instance"], attempt["number"]): attempt for run in runs.values() for attempt in run.get("attempts", ())
    }
    started = {(path.parts[-3], int(path.parts[-2])) for path in home.glob("attempts/*/*/warden.json")}
    here = {f"{instance}-{number}" for instance, number in started if not instance.endswith(NO_AGENTS)}
    # Of what was never started it may be written down that it used nothing.
    empty = {stem for stem, rows in found.items() if not rows.get("rows")}
    assert found.keys() - empty <= here <= found.keys(), f"rows of {sorted(found)}, attempts {sorted(here)}"
    vague = 0
    for instance, number in started:
        rows = found.get(f"{instance}-{number}")
        if rows is None:
            continue
        turns, ended = told(home / "attempts" / instance / str(number) / "out.log")
        wanted = {*turns, *(["rest"] if ended else [])}
        have = {row["turn"]: _total(row["tokens"]) for row in rows.get("rows", ())}
        assert have.keys() - (set() if ended else {"untold"}) == wanted, (instance, number, have, wanted)
        assert sum(have.values()) == TURN_TOKENS * len(turns) + HELPER_TOKENS * ended, (instance, have)
        vague += rows.get("truth", "exact") != "exact"
        attempt = known.get((instance, number))
        if attempt is None:
            assert instance.startswith("plan-"), f"rows of {instance}, which nobody knows"
            continue
        assert "usage" in attempt, f"the books know nothing of what {instance}-{number} used: {attempt}"
        assert _total(attempt["usage"]["tokens"]) == sum(have.values()), attempt["usage"]
        assert attempt["usage"].get("truth") == rows.get("truth"), attempt["usage"]
        # Who goes on with it is told what it used before.
        assert {row["cli_session"] for row in rows.get("rows", ())} <= {attempt.get("cli_session")}, attempt
    assert vague <= wardens, f"{vague} attempts are not measured, and {wardens} wardens died"
    assert not over or not [run for run in runs.values() if run["state"] in {"preparing", "running", "finished"}]


def told(log: Path) -> tuple[list[str], bool]:
    """The answers that a log tells of whole, and whether it has the end."""
    turns, last, ended = [], "", False
    for event in _events(log):
        inner = event.get("event", {})
        if inner.get("type") == "message_start":
            last = inner["message"]["id"]
        turns += [last] if inner.get("type") == "message_delta" else []
        ended |= event["type"] == "result"
    return turns, ended


def _events(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_bytes().splitlines() if log.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _key(row: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(row.get(name) for name in ("instance", "attempt", "cli_session", "turn"))


def _total(tokens: Mapping[str, Any]) -> int:
    return sum(tokens.get(name, 0) for name in ("input", "cache_read", "cache_write", "output"))


def _account(place: Path) -> None:
    """The account is as it was connected, its state can be read, and nobody works with it or waits for it."""
    home = place / "state/gitfleet"
    accounts = home / "accounts"
    assert json.loads((accounts / "claude/account.json").read_bytes())["capacity"] == 1
    assert (accounts / "claude/home/projects").is_dir(), "its sessions are gone"
    state = json.loads((accounts / "claude/state.json").read_bytes())
    assert state["used"] > 0, state
    assert not state.get("refused"), state
    leases = [*accounts.glob("*/leases/*"), *accounts.glob(".waiting/*"), *accounts.glob(".removed/*")]
    assert not leases, f"somebody works with it or waits for it: {[path.read_text() for path in leases]}"
    for path in home.rglob("*"):
        assert ".tmp-" not in path.name, f"an unfinished write is left: {path}"
        mode = stat.S_IMODE(path.stat().st_mode)
        assert not mode & 0o077, f"others may look at {path}: {mode:o}"


def _granted(directory: Path, *, over: bool) -> None:
    """What is always granted was written whole, or not at all."""
    documents = [json.loads(path.read_bytes()) for path in directory.glob("*.json")]
    grants = [{**grant, "since": ""} for document in documents for grant in document["grants"]]
    wanted = [{"agent": "claude", "tool": "Bash", "argument": "make deploy", "since": ""}]
    assert grants == (wanted if over else []), grants


AGENTS = Scenario(
    name="agents",
    command=("wave", "Write what is to be written", "--yes"),
    tasks=(),
    checks=("! grep -rqs broken --include='*.txt' .",),
    passes=lambda files: not any("broken" in content for content in files.values()),
    expected={"plain": "landed", "limited": "landed", "asks": "landed"},
    exit_code=3,
    held=("asks",),
    steps=(Step("approve", ("approve", "asks", "--always")), Step("close", ("continue",))),
    kept=(("asks", "asks.txt", "half\ndeployed\n"),),
    landed={
        "plain": {"plain.txt": "plain\n"},
        "limited": {"limited.txt": "half\nwhole\n"},
        "asks": {"asks.txt": "half\ndeployed\n"},
    },
    settings={
        "agent": "claude",
        "planner": {"agent": "claude"},
        "budgets": {
            "task": {"max_tokens": ALLOWANCE},
            # Room for one at work, and for those that were cut off, which count as all that was reserved for them.
            "session": {"max_tokens": 7 * ALLOWANCE},
            "day": {"max_tokens": 20 * ALLOWANCE},
            "reserve": {"max_tokens": ALLOWANCE // 2},
        },
    },
    furnish=_furnish,
    holds=holds,
    struck=_met_everything,
)
