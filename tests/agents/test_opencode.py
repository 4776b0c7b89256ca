"""The real ``opencode`` against the scripted model, started and read as its backend says."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gitfleet.agents.ledgers import ledger
from gitfleet.agents.opencode import OpencodeAgent
from gitfleet.model.agent_config import AgentKind, ToolProfile
from gitfleet.model.parking import Permission
from gitfleet.model.run import FailureSource
from tests.agents.attempts import KEY, Attempts
from tests.support.model_server import End, Overflow, Shell, Status, Tool, Usage, Write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.model_server import ModelServer
    from tests.support.model_server.script import Step

pytestmark = [pytest.mark.agents, pytest.mark.timeout(240)]

COST = Usage(input=1000, cache_read=200, cache_write=30, output=50, reasoning=7)
WORK = Shell("echo one >one.txt && git add one.txt && git commit -qm one", usage=COST)
ENDS = End("The work is done.", usage=COST)
PAGE = "http://127.0.0.1:9/x"
FETCH = Tool("webfetch", {"url": PAGE, "format": "text"}, usage=COST)
AT_ONCE = ("retry-after-ms", "20")
HOURS = ("retry-after", "7200")
TASK, TRANSPORT, PERSON = FailureSource.TASK, FailureSource.TRANSPORT, FailureSource.NEEDS_PERSON
OPENCODE = OpencodeAgent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the model says, and what must come of it."""

    steps: tuple[Step, ...]
    code: str
    source: FailureSource = TRANSPORT
    says: str
    exit: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "403": Case(
        steps=(WORK, Status(403, body='{"error": {"message": "Not you."}}', times=None)),
        code="auth",
        says="was refused by its account: Not you.",
    ),
    "429": Case(
        steps=(WORK, Status(429, headers=(AT_ONCE,), times=None)), code="rate-limited", says="was refused for now"
    ),
    "429 for hours": Case(
        steps=(WORK, Status(429, headers=(HOURS,), times=None)), code="rate-limited", says="was refused for now", exit=0
    ),
    "used up": Case(
        steps=(Status(429, headers=(AT_ONCE,), body='{"error": {"message": "You exceeded your quota."}}', times=None),),
        code="usage-limit",
        says="You exceeded your quota.",
    ),
    "no model": Case(
        steps=(Status(404, body='{"error": {"message": "There is no such model."}}', times=None),),
        code="model-error",
        source=TASK,
        says="There is no such model.",
        facts={"model": "no/such-model"},
    ),
    "overflow": Case(steps=(Overflow(),), code="context-overflow", source=TASK, says="filled the whole context"),
    "denied": Case(steps=(FETCH, WORK, ENDS), code="permission-denied", source=PERSON, says=f"webfetch {PAGE}", exit=0),
    "outside": Case(
        steps=(Shell("cat /etc/hostname", usage=COST), WORK, ENDS),
        code="permission-denied",
        source=PERSON,
        says="external_directory /etc/*",
        exit=0,
    ),
    "no session": Case(
        steps=(), code="no-end-event", says="Session not found", facts={"resume": "ses_000000000000AAAAAAAAAAAAAA"}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_end_has_its_code(name: str, attempts: Attempts, model_server: ModelServer) -> None:
    case = CASES[name]
    url = model_server.script("work", *case.steps)

    came = attempts.begin(OPENCODE, url, **case.facts).finish()

    assert came.failure is not None, came.log
    assert (came.failure.code, came.failure.source, came.ended.code) == (case.code, case.source, case.exit), came
    assert case.says in came.failure.message
    assert came.usage == model_server.usage("work")
    assert came.told.turns == sum(one.told and not one.helper for one in model_server.requests("work"))
    if HOURS in getattr(case.steps[-1] if case.steps else None, "headers", ()):
        assert came.told.limit is not None
        assert came.told.limit.hard
        assert abs((came.told.limit.resets or 0) - time.time() - 7200) < 60


def test_it_works_recovers_and_goes_on_and_every_token_is_counted(
    attempts: Attempts, model_server: ModelServer
) -> None:
    look = {"description": "Look", "prompt": "script:looking Look around.", "subagent_type": "general"}
    url = model_server.script(
        "work",
        Status(500, headers=(AT_ONCE,)),
        Shell("echo one >one.txt", say="I will write one.", usage=COST),
        Status(429, headers=(AT_ONCE,)),
        Tool("task", look, usage=COST),
        End("The first half.", usage=COST),
        Write("two.txt", "two\n", usage=COST),
        End("The second half.", usage=COST),
    )
    model_server.script("looking", Shell("ls", usage=COST), End("Nothing here.", usage=COST))

    first = attempts.begin(OPENCODE, url, prompt="Do half of it.\n" + "x" * 200_000).finish()

    assert first.failure is None, first.log
    assert (attempts.tree / "one.txt").read_text() == "one\n"
    assert first.told.retries == 2
    assert not first.told.limit.hard  # type: ignore[union-attr]
    assert first.told.last_said == "The first half."
    assert (first.told.tool_calls, first.told.turns) == (2, 3)
    assert [used.helper for used in first.told.used.values()].count(True) == 2
    assert {used.model for used in first.told.used.values()} == {"gitfleet/default"}
    assert first.usage == model_server.usage() != Usage()
    assert first.exact

    begun = attempts.begin(OPENCODE, url, prompt="Do the rest.", resume=first.told.cli_session, before=first.tokens)
    second = begun.finish()

    assert second.failure is None, second.log
    assert (attempts.tree / "two.txt").read_text() == "two\n"
    assert second.told.cli_session == first.told.cli_session
    assert second.told.last_said == "The second half."
    assert second.exact
    assert first.usage + second.usage == model_server.usage()
    written = ledger(AgentKind.OPENCODE, attempts.account, first.told.cli_session)
    assert written is not None
    assert written.total == first.tokens.total + second.tokens.total
    assert model_server.strays == []


def test_it_keeps_out_of_the_persons_home_and_its_key_from_tools(attempts: Attempts, model_server: ModelServer) -> None:
    for made in (".opencode", ".config/opencode"):
        (attempts.home / made).mkdir(parents=True)
    (attempts.home / ".opencode" / "opencode.json").write_text("no config at all")
    before = listing(attempts.home)
    url = model_server.script(
        "work", Shell("env >env.txt; xargs -0 -n 1 </proc/$PPID/cmdline >argv.txt", usage=COST), ENDS
    )

    came = attempts.begin(OPENCODE, url, prompt="A secret prompt.", config_home="/somewhere/else").finish()

    assert came.failure is None, came.log
    assert listing(attempts.home) == before
    env = dict(line.split("=", 1) for line in (attempts.tree / "env.txt").read_text().splitlines() if "=" in line)
    assert KEY not in env.values()
    assert {name: value for name, value in env.items() if name.startswith("XDG_")} == {
        "XDG_CONFIG_HOME": "/somewhere/else",
        "XDG_DATA_HOME": str(attempts.home / ".local/share"),
        "XDG_STATE_HOME": str(attempts.home / ".local/state"),
        "XDG_CACHE_HOME": str(attempts.home / ".cache"),
    }
    argv = (attempts.tree / "argv.txt").read_text()
    assert "run" in argv
    assert "secret prompt" not in argv
    assert KEY not in argv


def test_what_a_person_granted_is_allowed_and_a_reader_edits_nothing(
    attempts: Attempts, model_server: ModelServer
) -> None:
    granted = model_server.script("granted", FETCH, Shell("cat /etc/hostname", usage=COST), WORK, ENDS)
    grants = (Permission(tool="webfetch", argument=PAGE), Permission(tool="external_directory", argument="/etc/*"))

    came = attempts.begin(OPENCODE, granted, grants=grants).finish()

    assert came.failure is None, came.log
    assert (attempts.tree / "one.txt").exists()

    everything = model_server.script("bypass", FETCH, Shell("cat /etc/hostname", usage=COST), ENDS)
    assert attempts.begin(OPENCODE, everything, bypass=True).finish().failure is None

    reading = model_server.script("reading", Write("two.txt", "two\n", usage=COST), ENDS)
    attempts.begin(OPENCODE, reading, profile=ToolProfile.READ_ONLY).finish()
    assert not (attempts.tree / "two.txt").exists()


def test_an_interrupt_is_one(attempts: Attempts, model_server: ModelServer) -> None:
    held = Shell("echo $$ >held.txt; exec sleep 600", usage=COST)
    url = model_server.script("work", held, ENDS)
    running = attempts.begin(OPENCODE, url)
    until(attempts.tree / "held.txt")

    running.process.send_signal(signal.SIGINT)
    came = running.finish()

    os.kill(int((attempts.tree / "held.txt").read_text()), signal.SIGKILL)  # the program leaves its tool behind
    assert came.failure is not None
    assert came.failure.code == "interrupted"
    assert came.failure.source is PERSON
    assert not came.exact
    # It tells what an answer used once the tools have ended that it called.
    assert (came.usage, model_server.usage("work").output) == (Usage(), COST.output)


def listing(home: Path) -> list[str]:
    """Everything below a directory."""
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def until(path: Path, seconds: float = 60.0) -> None:
    """Look again and again until a file has something in it."""
    end = time.monotonic() + seconds
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < end, f"{path} was not written"
        time.sleep(0.05)
