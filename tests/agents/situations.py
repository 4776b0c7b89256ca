"""The situations that every real agent is put into: what the model says, what happens outside, what must come of it.

A cell of the matrix is a situation with an agent. Where an agent's vendor offers no facility for a situation, its cell
is ``n/a`` with the name of what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

from tests.support.model_server import SOON, Cut, End, Loop, Overflow, Shell, Silence, Status, Tool, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.model_server.script import Step

AGENTS = ("claude", "codex", "opencode")
COST = Usage(input=900, cache_read=250, cache_write=40, output=60, reasoning=9)
FILE, TEXT = "work.txt", "done by an agent\n"
WORK = Shell(f"printf 'done by an agent\\n' >{FILE} && git add {FILE} && git commit -qm 'Do the work'", usage=COST)
HOLDS = Shell(f"echo $$ >{FILE}; until [ -e ../../go ]; do sleep 0.1; done", usage=COST)
"""Runs until the test says go; the worktree is two levels below the test's directory."""
ENDS = End("The work is done.", usage=COST)
HANDOFF = """The work is done.

---HANDOFF---
- Built: the file, in words
---
"""
JSON = """printf '{"built": ["the file, as a document"]}' >"$GITFLEET_HANDOFF\""""


class Act(Enum):
    """What is done from outside while the agent works."""

    NOTHING = "nothing"
    LIMIT = "the account is over its limit for a while"
    INTERRUPT = "`gitfleet interrupt` while a tool runs"
    STOP = "`gitfleet stop` while a tool runs"
    CRASH = "the coordinator is killed while a tool runs, then `gitfleet continue`"
    RESTART = "`gitfleet stop` while a tool runs, then `gitfleet continue`"


class Rows(StrEnum):
    """What must be true of usage rows."""

    EXACT = "exact"
    """They are all there and equal the server's count to the token."""
    TOLD = "told"
    """They equal the server's count to the token: no answer was under way when it ended. They need not know that."""

    HONEST = "honest"
    """They equal the server's count, or say that they are not measured and have no more of anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must come of a situation: the run's state, the code of its failure, and gitfleet's exit code."""

    state: str
    code: str = ""
    first: str = ""
    """The outcome of the first attempt, where another one follows."""
    exit: int = 0
    rows: Rows = Rows.EXACT
    handoff: str = "none"
    said: str = ""
    """What the handoff says was built."""

    @property
    def text(self) -> str:
        """The outcome for the table."""
        if self.first:
            return f"`{self.first}`, then {self.state}"
        return f"{self.state}: `{self.code}`" if self.code else self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One row of the matrix."""

    name: str
    title: str
    steps: tuple[Step, ...]
    expected: Expected
    act: Act = Act.NOTHING
    config: Mapping[str, object] = field(default_factory=dict)
    task: Mapping[str, object] = field(default_factory=dict)
    other: Mapping[str, Expected] = field(default_factory=dict)
    """What comes of it with one agent that does otherwise than the rest."""
    said: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    """What the model says to one agent, where that needs other words."""
    rows: Mapping[str, Rows] = field(default_factory=dict)
    """What must be true of the rows of one agent, where that is another thing than of the rest."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """By agent, the facility that its vendor does not offer."""

    def expects(self, agent: str) -> Expected:
        """What must come of it with an agent."""
        expected = self.other.get(agent, self.expected)
        return replace(expected, rows=self.rows.get(agent, expected.rows))

    def script(self, agent: str) -> tuple[Step, ...]:
        """What the model says to an agent."""
        return self.said.get(agent, self.steps)


LANDED = Expected(state="landed")
WATCHED = {"timeouts": {"stall": 4}, "stall": "restart"}


TOLD = {"claude": Rows.TOLD, "codex": Rows.TOLD}
"""opencode tells what an answer used once the tools have ended that it called: not where it is killed before."""


def failed(code: str, rows: Rows = Rows.HONEST) -> Expected:
    """A run that fails with a code, by its own doing."""
    return Expected(state="failed", code=code, exit=1, rows=rows)


def halted(code: str, rows: Rows = Rows.HONEST) -> Expected:
    """A run that fails with a code, by what lies outside of it: where no other can run the session stops."""
    return Expected(state="failed", code=code, exit=3, rows=rows)


SITUATIONS = (
    Situation(name="success", title="success with tool use", steps=(WORK, ENDS), expected=LANDED),
    Situation(
        name="no-changes",
        title="success without changes",
        steps=(Shell("true", usage=COST), ENDS),
        expected=failed("no-changes", Rows.EXACT),
    ),
    Situation(
        name="text-handoff",
        title="text handoff",
        steps=(WORK, End(HANDOFF, usage=COST)),
        expected=Expected(state="landed", handoff="output", said="the file, in words"),
    ),
    Situation(
        name="json-handoff",
        title="JSON handoff",
        steps=(WORK, Shell(JSON, usage=COST), ENDS),
        expected=Expected(state="landed", handoff="file", said="the file, as a document"),
    ),
    Situation(name="401", title="401", steps=(Status(401, times=None),), expected=halted("auth", Rows.EXACT)),
    Situation(
        name="429",
        title="429 with reset",
        steps=(WORK, ENDS),
        act=Act.LIMIT,
        expected=Expected(state="landed", first="usage-limit"),
        # It waits by itself.
        other={"opencode": LANDED},
    ),
    Situation(
        name="500-recovers",
        title="500, then recovery",
        steps=(Status(500, headers=SOON), WORK, Status(500, headers=SOON), ENDS),
        expected=LANDED,
    ),
    Situation(
        name="500",
        title="500 for ever",
        steps=(Status(500, headers=SOON, times=None),),
        expected=halted("model-error", Rows.EXACT),
    ),
    Situation(
        name="cut",
        title="cut stream",
        steps=(Cut(times=None),),
        config=WATCHED,
        rows={"codex": Rows.EXACT},
        expected=halted("network"),
        # It asks again five times, after longer and longer waits: over a minute in all.
        other={"opencode": halted("stalled")},
    ),
    Situation(
        name="silence",
        title="silence in mid-stream",
        steps=(Silence(times=None),),
        config=WATCHED,
        expected=halted("stalled"),
    ),
    Situation(
        name="overflow",
        title="context overflow",
        steps=(Overflow(),),
        expected=failed("context-overflow", Rows.EXACT),
    ),
    Situation(
        name="denied",
        title="permission denied",
        steps=(Tool("WebFetch", {"url": "http://127.0.0.1:9/", "prompt": "Read it."}, usage=COST), WORK, ENDS),
        # A tool that is denied outright is not offered; one that would be asked for is refused when it is called.
        said={"opencode": (Tool("webfetch", {"url": "http://127.0.0.1:9/", "format": "text"}, usage=COST), WORK, ENDS)},
        expected=Expected(state="queued", first="permission-denied", exit=3),
        missing={"codex": "`codex exec` asks nobody: what its sandbox refuses is a command's own error"},
    ),
    Situation(
        name="loop",
        title="endless tool loop",
        steps=(Loop(usage=COST),),
        config={"budgets": {"task": {"max_tool_calls": 5}}},
        expected=failed("budget"),
    ),
    Situation(
        name="interrupt",
        title="SIGINT by `interrupt`",
        steps=(HOLDS, ENDS),
        act=Act.INTERRUPT,
        rows=TOLD,
        expected=Expected(state="queued", first="interrupted", exit=3, rows=Rows.HONEST),
    ),
    Situation(
        name="stop",
        title="`stop` while a tool runs",
        steps=(HOLDS, ENDS),
        act=Act.STOP,
        rows=TOLD,
        expected=Expected(state="queued", exit=130, rows=Rows.HONEST),
    ),
    Situation(
        name="adoption",
        title="crash of the coordinator and adoption",
        steps=(HOLDS, WORK, ENDS),
        act=Act.CRASH,
        expected=LANDED,
    ),
    Situation(
        name="resume",
        title="resume after a restart",
        steps=(HOLDS, WORK, ENDS),
        act=Act.RESTART,
        rows=TOLD,
        expected=Expected(state="landed", rows=Rows.HONEST),
    ),
)
BY_NAME = {situation.name: situation for situation in SITUATIONS}
