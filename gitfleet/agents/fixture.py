"""The fixture: a script that spends nothing and changes nothing, in the place of a real agent.

It goes the way of one: an account, a warden, a stream of events, usage rows (exact, of no tokens) and a handoff. That
it ends well proves that this way is open, and nothing about any model.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.agents.base import Launch
from gitfleet.agents.command import judge
from gitfleet.agents.events import Began, Ended, Said, Used
from gitfleet.model.run import Failure, FailureSource
from gitfleet.model.usage import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.agents.base import Assignment
    from gitfleet.agents.events import AgentEvent
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.evidence import Exit

REASON = "this was a proof: no model was asked, and nothing was changed"

_SCRIPT = Path(__file__).with_name("fixture_script.py")


def is_fixture(cli_session: str) -> bool:
    """Whether a session is the script's, of which no program of a vendor knows."""
    return cli_session.startswith("fixture-")


@dataclass(slots=True)
class FixtureReader:
    """Reads what the script prints."""

    def read(self, line: bytes) -> Iterator[AgentEvent]:
        """Give the event of a line."""
        try:
            said = json.loads(line)
        except ValueError:
            return
        match said:
            case {"began": str() as name}:
                yield Began(name, "fixture")
            case {"said": str() as text}:
                yield Said(text)
            case {"turn": str() as turn}:
                yield Used(turn, Tokens(cost_usd=0), "fixture")
            case {"ended": True}:
                yield Ended()
            case _:
                return


@dataclass(frozen=True, slots=True)
class FixtureAgent:
    """Stands in for the agent of this name."""

    name: str

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it for this assignment."""
        argv = (sys.executable, "-I", "-S", str(_SCRIPT), str(assignment.handoff_file), REASON)
        return Launch(argv=argv, stdin=assignment.prompt_file)

    def reader(self, *, resumed: bool = False, before: Tokens | None = None) -> FixtureReader:  # noqa: ARG002
        """Make a reader of its output."""
        return FixtureReader()

    def outcome(self, ended: Exit, told: Transcript | None) -> Failure | None:
        """Read what its end says against success."""
        failure = judge(ended, f"The fixture in the place of {self.name}")
        if failure is None and (told is None or told.ended is None):
            message = "The fixture ended without saying so; its output is cut."
            return Failure(source=FailureSource.TRANSPORT, code="no-end-event", message=message)
        return failure
