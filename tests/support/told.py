"""An agent that tells what it uses, without a model: a script for its work, and a stream of its own for what it says.

``build`` makes it, as ``agents.registry.MODULES`` wants it. A task's instructions are the script that its program runs;
each line that it prints is an event.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitfleet.agents.base import Launch
from gitfleet.agents.command import judge
from gitfleet.agents.events import Began, Called, Ended, RateLimited, Used
from gitfleet.model.run import Failure, FailureSource
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.agents.base import Assignment
    from gitfleet.agents.events import AgentEvent
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.evidence import Exit


@dataclass(slots=True)
class ToldReader:
    """Reads the stream."""

    def read(self, line: bytes) -> Iterator[AgentEvent]:
        """Give the event of a line."""
        try:
            said = json.loads(line)
        except ValueError:
            return
        match said:
            case {"began": str() as name}:
                yield Began(name, "told-1")
            case {"call": str() as tool}:
                yield Called(tool)
            case {"turn": str() as turn, "tokens": dict() as tokens}:
                yield Used(turn, Tokens(**tokens), helper=bool(said.get("helper")))
            case {"limit": int() as resets}:
                yield RateLimited(hard=True, resets=resets or None)
            case {"near": True}:
                yield RateLimited(hard=False)
            case {"end": str() as code}:
                yield Ended(code)
            case _:
                pass


@dataclass(frozen=True, slots=True)
class ToldAgent:
    """Runs a task's instructions with ``sh -c``."""

    name: str

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it; its key is in TOLD_KEY."""
        access = assignment.access
        env = {"TOLD_KEY": next(iter(access.secrets.values()), ""), **access.settings} if access else {}
        return Launch(argv=("sh", "-c", assignment.task.instructions), env=env)

    def reader(self, *, resumed: bool = False, before: Tokens | None = None) -> ToldReader:  # noqa: ARG002
        """Make a reader."""
        return ToldReader()

    def outcome(self, ended: Exit, told: Transcript | None = None) -> Failure | None:
        """Judge by the process, and by the code that its end tells."""
        if told is not None and told.ended is not None and told.ended.code:
            return Failure(source=FailureSource.TRANSPORT, code=told.ended.code, message=f"It said {told.ended.code}.")
        return judge(ended, f"Agent {self.name}")


def build(name: str, config: AgentConfig) -> ToldAgent:  # noqa: ARG001 - as every kind is built
    """Build one."""
    return ToldAgent(name)


def turn(number: int, tokens: int, **more: object) -> str:
    """A line of the script that tells of a turn."""
    return "echo '" + json.dumps({"turn": str(number), "tokens": {"input": tokens}, **more}) + "'\n"


BEGAN = """echo '{"began": "cli-1"}'\n"""
END = """echo '{"end": ""}'\n"""
CALL = """echo '{"call": "sh"}'\n"""

if __name__ == "__main__":
    from gitfleet.__main__ import main
    from gitfleet.agents.accounts.programs import PROGRAMS
    from gitfleet.agents.registry import MODULES
    from gitfleet.model.agent_config import AgentKind
    from tests.support.accounts import connected

    MODULES[AgentKind.OPENCODE] = "tests.support.told"
    PROGRAMS[AgentKind.OPENCODE] = replace(PROGRAMS[AgentKind.OPENCODE], name="sh")
    if "TESTS_OWN_ACCOUNTS" not in os.environ:
        connected(AgentKind.OPENCODE)
    sys.exit(main())
