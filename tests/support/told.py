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
from gitfleet.agents.events import Began, Called, Denied, Ended, RateLimited, Retrying, Said, Used, Waiting
from gitfleet.model.run import Failure, FailureSource
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.agents.base import Assignment
    from gitfleet.agents.events import AgentEvent
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.evidence import Exit
    from gitfleet.model.parking import Permission


@dataclass(slots=True)
class ToldReader:
    """Reads the stream."""

    def read(self, line: bytes) -> Iterator[AgentEvent]:  # noqa: C901 - a case an event
        """Give the event of a line."""
        try:
            said = json.loads(line)
        except ValueError:
            return
        match said:
            case {"began": str() as name}:
                yield Began(name, "told-1")
            case {"call": str() as tool}:
                yield Called(tool, said.get("argument", ""))
            case {"denied": str() as tool}:
                yield Denied(tool, said.get("argument", ""))
            case {"said": str() as text}:
                yield Said(text)
            case {"retrying": str() as why}:
                yield Retrying(why, said.get("seconds"))
            case {"waiting": str() as why}:
                yield Waiting(why)
            case {"limit": bool() as hard}:
                yield RateLimited(hard, said.get("resets"))
            case {"turn": str() as turn, "tokens": dict() as tokens}:
                yield Used(turn, Tokens(**tokens), helper=bool(said.get("helper")), exact=said.get("exact", True))
            case {"end": str() as code}:
                yield Ended(code)
            case _:
                return


@dataclass(frozen=True, slots=True)
class ToldAgent:
    """Runs a task's instructions with ``sh -c``."""

    name: str

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it; its key is in TOLD_KEY."""
        access = assignment.access
        told = {"TOLD_RESUME": assignment.resume, "TOLD_GRANTS": " ".join(map(_words, assignment.grants))}
        if access is not None:
            told |= {"TOLD_KEY": next(iter(access.secrets.values()), ""), **access.settings}
        return Launch(argv=("sh", "-c", assignment.task.instructions), stdin=assignment.prompt_file, env=told)

    def reader(self, *, resumed: bool = False, before: Tokens | None = None) -> ToldReader:  # noqa: ARG002
        """Make a reader."""
        return ToldReader()

    def outcome(self, ended: Exit, told: Transcript | None = None) -> Failure | None:
        """Judge by the process, then by the code of the end that it told of."""
        failed = judge(ended, f"Agent {self.name}")
        code = told.ended.code or "permission-denied" * bool(told.denied) if told and told.ended else ""
        if failed or not code:
            return failed
        source = FailureSource.NEEDS_PERSON if code in {"permission-denied", "interrupted"} else FailureSource.TRANSPORT
        return Failure(source=source, code=code, message=f"Agent {self.name} ended: {code}.")


def build(name: str, config: AgentConfig) -> ToldAgent:  # noqa: ARG001 - as every kind is built
    """Build one."""
    return ToldAgent(name)


def _words(grant: Permission) -> str:
    return f"{grant.tool}({grant.argument})"


def says(**event: object) -> str:
    """A line of the script that tells of something."""
    return f"echo '{json.dumps(event)}'\n"


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
