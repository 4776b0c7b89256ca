"""The real ``claude`` against the scripted model, started and read as its backend says."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.agents.claude import ClaudeAgent
from gitfleet.agents.ledgers import ledger
from gitfleet.model.agent_config import AgentKind, Effort, ToolProfile
from gitfleet.model.budget import Budget
from gitfleet.model.parking import Permission
from gitfleet.model.run import FailureSource
from tests.agents.attempts import KEY, Attempts
from tests.agents.matrix import usage_of
from tests.support.model_server import (
    Cut,
    End,
    Loop,
    Overflow,
    Shell,
    Silence,
    Status,
    Tool,
    Usage,
    UsageLimit,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.agents.attempts import Told
    from tests.support.model_server import ModelServer
    from tests.support.model_server.script import Step

pytestmark = pytest.mark.agents

COST = Usage(input=1000, cache_read=200, cache_write=30, output=50, reasoning=7)
WORK = Shell("echo one >one.txt && git add one.txt && git commit -qm one", usage=COST)
ENDS = End("The work is done.", usage=COST)
QUICK = {"CLAUDE_CODE_MAX_RETRIES": "1"}
TOKEN = "sk-ant-oat01-no-token-at-all"  # noqa: S105 - none
RESETS = int(time.time()) + 3600
TASK, TRANSPORT, PERSON = FailureSource.TASK, FailureSource.TRANSPORT, FailureSource.NEEDS_PERSON
CLAUDE = ClaudeAgent()
_GUESSED = "abandoned_blocks"
"""Stands in the end of an answer of which the program kept a piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the model says, and what must come of it."""

    steps: tuple[Step, ...]
    code: str
    source: FailureSource = TRANSPORT
    says: str
    exit: int = 1
    key: str = KEY
    facts: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "401": Case(steps=(Status(401, times=None),), code="auth", says="was refused by its account: Failed to auth"),
    "403": Case(steps=(WORK, Status(403, times=None)), code="auth", says="Error: 403 Scripted 403."),
    "no login": Case(steps=(), key="", code="auth", says="Not logged in"),
    "429": Case(steps=(WORK, Status(429, times=None)), code="rate-limited", says="rejected (429)"),
    "usage limit": Case(steps=(WORK, UsageLimit(RESETS)), key=TOKEN, code="usage-limit", says="hit your 5-hour limit"),
    "500": Case(steps=(WORK, Status(500, times=None)), code="model-error", says="got an error from its model: API"),
    "529": Case(steps=(Status(529, times=None),), code="model-error", says="529"),
    "no model": Case(
        steps=(Status(404, times=None),),
        code="model-error",
        source=TASK,
        says="selected model (no-such-model)",
        facts={"model": "no-such-model"},
    ),
    "cut": Case(steps=(WORK, Cut(times=None)), code="network", says="Connection to the API was lost"),
    "no API": Case(steps=(Status(200, body="Welcome!", times=None),), code="network", says="JSON Parse error"),
    "overflow": Case(steps=(WORK, Overflow()), code="context-overflow", source=TASK, says="Prompt is too long"),
    "turns": Case(
        steps=(Loop(usage=COST),),
        code="max-turns",
        source=TASK,
        says="maximum number of turns (2)",
        facts={"budget": Budget(max_turns=2)},
    ),
    "dollars": Case(
        steps=(Loop(usage=COST),),
        code="budget",
        source=TASK,
        says="maximum budget",
        facts={"budget": Budget(max_usd=0.006)},
    ),
    "denied": Case(
        steps=(Tool("WebFetch", {"url": "http://127.0.0.1:9/x", "prompt": "Read."}, usage=COST), WORK, ENDS),
        code="permission-denied",
        source=PERSON,
        says="WebFetch http://127.0.0.1:9/x",
        exit=0,
    ),
    "no session": Case(
        steps=(),
        code="no-end-event",
        says="No conversation found",
        facts={"resume": "6b8fdd6f-fb9f-4c2f-9a6a-3a2f3c1a3b55"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_end_has_its_code(name: str, attempts: Attempts, model_server: ModelServer) -> None:
    case = CASES[name]
    url = model_server.script("work", *case.steps)

    came = attempts.begin(CLAUDE, url, key=case.key, settings=QUICK, **case.facts).finish()

    assert came.failure is not None, came.log
    assert (came.failure.code, came.failure.source, came.ended.code) == (case.code, case.source, case.exit), came
    assert case.says in came.failure.message
    assert came.usage == model_server.usage("work")
    assert came.exact is (_GUESSED not in came.log)
    assert came.told.turns == sum(one.told for one in model_server.requests("work"))
    if case.code == "usage-limit":
        assert came.told.limit is not None
        assert (came.told.limit.hard, came.told.limit.resets, came.told.limit.window) == (True, RESETS, "five_hour")


def test_a_session_is_counted_to_the_token(attempts: Attempts, model_server: ModelServer) -> None:
    more = Usage(input=17, cache_read=3, output=11, reasoning=2)
    helper, again = (
        Tool("Task", {"description": "Look", "prompt": f"script:{sub}", "subagent_type": "general-purpose"}, usage=more)
        for sub in ("sub", "again")
    )
    url = model_server.script(
        "work",
        *(Write("one.txt", "one\n", usage=COST), Status(500), helper, Status(529), End("First.", usage=COST)),
        *(
            Shell("echo two >two.txt", usage=more),
            Silence(),
            Shell("true", usage=more),
            again,
            End("Third.", usage=more),
        ),
    )
    for sub in ("sub", "again"):
        model_server.script(sub, Shell("true", usage=Usage(input=5, output=3)), End("Seen.", usage=Usage(7, 1, 2, 4)))

    first = attempts.begin(CLAUDE, url).finish()

    assert first.failure is None, first.log
    assert first.exact
    assert first.usage == model_server.usage() != Usage()
    assert first.told.turns == 3
    assert first.told.tool_calls == 3
    assert first.told.retries >= 2
    assert "First." in first.told.said
    assert "Seen." not in first.told.said
    assert first.told.used["rest"].helper
    assert first.tokens.cost_usd == pytest.approx(_cost(first))
    session = first.told.cli_session
    # What a reconciliation finds in the home says the same.
    kept = ledger(AgentKind.CLAUDE, attempts.account, session)
    assert kept is not None
    assert usage_of(kept) == model_server.usage()

    # Killed in the middle of its second answer: the program does not keep what it counted.
    going = attempts.begin(CLAUDE, url, resume=session, prompt="Go on.")
    model_server.wait_for("work", 6)
    going.process.kill()
    second = going.finish()
    model_server.release("work")

    assert second.failure is not None
    assert second.failure.code == "killed"
    assert not second.exact
    assert second.told.cli_session == session
    assert second.usage == more

    third = attempts.begin(CLAUDE, url, resume=session, prompt="And on.").finish()

    assert third.failure is None, third.log
    assert third.exact
    assert third.told.cli_session == session
    assert first.usage + second.usage + third.usage == model_server.usage()


def test_an_answer_that_was_cut_is_asked_for_again(attempts: Attempts, model_server: ModelServer) -> None:
    url = model_server.script("work", WORK, Cut(), Write("two.txt", "two\n", usage=COST), ENDS)

    came = attempts.begin(CLAUDE, url).finish()

    assert came.failure is None, came.log
    assert came.told.turns == 3
    # Whether the program throws the piece away or keeps it is a matter of milliseconds; only then it guesses.
    assert came.usage == model_server.usage()
    assert came.exact is (_GUESSED not in came.log)


def _cost(came: Told) -> float:
    (end,) = (json.loads(line) for line in came.log.splitlines() if '"type":"result"' in line)
    return float(end["total_cost_usd"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_tool_runs(number: signal.Signals, attempts: Attempts, model_server: ModelServer) -> None:
    gate = attempts.fleet.root / "gate"
    os.mkfifo(gate)
    url = model_server.script("work", Shell(f"cat {gate}", usage=COST), ENDS)
    going = attempts.begin(CLAUDE, url)
    with gate.open("wb"):  # the tool has opened it, too
        going.process.send_signal(number)
        came = going.finish()

    assert came.failure is not None
    if number is signal.SIGINT:
        assert came.ended.code == 0
        assert (came.failure.code, came.failure.source) == ("interrupted", PERSON)
        assert came.exact
        assert came.usage == COST
    else:
        assert (came.failure.code, came.failure.source) == ("killed", TRANSPORT)
        assert not came.exact


def test_what_is_safe_works_inside_and_asks_outside(attempts: Attempts, model_server: ModelServer) -> None:
    outside = attempts.fleet.root / "a (b) [c]" / "notes.txt"
    outside.parent.mkdir()
    (attempts.fleet.root / "attempt (1)").mkdir()
    handoff = attempts.fleet.root / "attempt (1)" / "hand [off].json"
    before = sorted(attempts.home.rglob("*"))
    url = model_server.script(
        "work",
        WORK,
        Tool("Write", {"file_path": str(handoff), "content": "{}"}, usage=COST),
        Tool("Edit", {"file_path": "one.txt", "old_string": "one", "new_string": "two"}, usage=COST),
        Shell("gitfleet status --json; gitfleet extend work src/; true", usage=COST),
        Shell('for f in *; do echo "$f $(cat $f)" | tee -a seen.txt; done && rm -f seen.txt', usage=COST),
        Tool("Read", {"file_path": "/etc/hostname"}, usage=COST),
        Tool("EnterWorktree", {"name": "elsewhere"}, usage=COST),
        End("Half.", usage=COST),
        Tool("Write", {"file_path": str(outside), "content": "x"}, usage=COST),
        End("Denied.", usage=COST),
        Tool("Write", {"file_path": str(outside), "content": "x"}, usage=COST),
        ENDS,
    )

    first = attempts.begin(CLAUDE, url, handoff_file=handoff, effort=Effort.LOW).finish()
    denied = attempts.begin(CLAUDE, url, resume=first.told.cli_session, prompt="On.").finish()

    assert first.failure is None, first.log
    assert handoff.read_text() == "{}"
    assert (attempts.tree / "one.txt").read_text() == "two\n"
    assert "No such tool available: EnterWorktree" in first.log
    assert denied.failure is not None
    assert denied.failure.message.endswith(f"Write {outside}.")
    assert not outside.exists()

    asked = denied.told.denied[-1]
    grants = (Permission(tool=asked.tool, argument=asked.argument),)
    session = denied.told.cli_session
    granted = attempts.begin(CLAUDE, url, resume=session, grants=grants, prompt="It is approved.").finish()

    assert granted.failure is None, granted.log
    assert outside.read_text() == "x"
    assert sorted(attempts.home.rglob("*")) == before == []
    assert not (attempts.tree / ".claude").exists()
    assert model_server.usage("work") == first.usage + denied.usage + granted.usage


def test_a_profile_that_only_reads_has_no_tool_to_edit(attempts: Attempts, model_server: ModelServer) -> None:
    url = model_server.script(
        "work",
        Tool("Write", {"file_path": "no.txt", "content": "x"}, usage=COST),
        Shell('printf "{}" >"$GITFLEET_HANDOFF"', usage=COST),
        Shell('env >"$TMPDIR/env.txt"; xargs -0 -n 1 </proc/$PPID/cmdline >"$TMPDIR/argv.txt"; cat "$TMPDIR"/*.txt'),
        ENDS,
    )

    came = attempts.begin(CLAUDE, url, profile=ToolProfile.READ_ONLY, prompt="A secret prompt.").finish()

    assert came.failure is None, came.log
    assert "stream-json" in came.log
    assert "secret prompt" not in came.log
    assert KEY not in came.log
    assert "No such tool available: Write" in came.log
    assert not (attempts.tree / "no.txt").exists()
    assert (attempts.fleet.root / "attempt 1/handoff.json").read_text() == "{}"


def test_the_bypass_asks_for_nothing_as_root_either(attempts: Attempts, model_server: ModelServer) -> None:
    outside = attempts.fleet.root / "outside.txt"
    url = model_server.script("work", Tool("Write", {"file_path": str(outside), "content": "x"}, usage=COST), ENDS)

    came = attempts.begin(CLAUDE, url, bypass=True, model="nobody-knows-its-price").finish()

    assert came.failure is None, came.log
    assert outside.read_text() == "x"
    assert (came.exact, came.tokens.cost_usd) == (True, None)
