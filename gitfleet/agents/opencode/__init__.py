"""The opencode agent: ``opencode run`` with its events as JSON, one process an attempt.

What is said here of the program was seen of version 1.18.33. Its own events tell neither that it waits for its model,
nor what sub-agents use, nor that it is done; a plugin of the attempt's own (``hooks``) tells these in the same stream.
It promises nothing about what the model does, and nothing inside the program bounds its turns: budgets do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.agents.opencode.launch import launch
from gitfleet.agents.opencode.outcome import outcome
from gitfleet.agents.opencode.stream import OpencodeReader

if TYPE_CHECKING:
    from gitfleet.agents.base import Assignment, Launch
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.evidence import Exit
    from gitfleet.model.run import Failure
    from gitfleet.model.usage import Tokens


@dataclass(frozen=True, slots=True)
class OpencodeAgent:
    """Runs ``opencode`` with the prompt on standard input; ``allow`` are variables of the caller that it may see."""

    name: str = "opencode"
    allow: tuple[str, ...] = ()

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it for this assignment."""
        return launch(assignment, self.allow)

    def reader(self, *, resumed: bool = False, before: Tokens | None = None) -> OpencodeReader:  # noqa: ARG002
        """Make a reader of its output; what it counts is each step's own, in a session that goes on as well."""
        return OpencodeReader()

    def outcome(self, ended: Exit, told: Transcript | None) -> Failure | None:
        """Read what its end says against success; none when it says nothing against it."""
        return outcome(f"Agent {self.name}", ended, told)


def build(name: str, config: AgentConfig) -> OpencodeAgent:
    """Build an agent of the config."""
    return OpencodeAgent(name=name, allow=config.env.allow)
