"""The claude agent: Anthropic's ``claude`` in print mode, one process an attempt.

What is said here of the program was seen of version 2.1.329. It promises nothing about what the model does: the end
that its stream tells is evidence, and the exit code alone says little (an interrupt ends with 0, so does a task that
was denied what it needed, and a refused login says ``success`` with an error).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.agents.claude.launch import launch
from gitfleet.agents.claude.outcome import outcome
from gitfleet.agents.claude.stream import ClaudeReader

if TYPE_CHECKING:
    from gitfleet.agents.base import Assignment, Launch
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.evidence import Exit
    from gitfleet.model.run import Failure
    from gitfleet.model.usage import Tokens


@dataclass(frozen=True, slots=True)
class ClaudeAgent:
    """Runs ``claude`` with the prompt on standard input; ``allow`` are variables of the caller that it may see."""

    name: str = "claude"
    allow: tuple[str, ...] = ()

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it for this assignment."""
        return launch(assignment, self.allow)

    def reader(self, *, resumed: bool = False, before: Tokens | None = None) -> ClaudeReader:  # noqa: ARG002
        """Make a reader of its output, which tells by itself what belongs to an attempt that resumes a session."""
        return ClaudeReader(resumed=resumed)

    def outcome(self, ended: Exit, told: Transcript | None) -> Failure | None:
        """Read what its end says against success; none when it says nothing against it."""
        return outcome(f"Agent {self.name}", ended, told)


def build(name: str, config: AgentConfig) -> ClaudeAgent:
    """Build an agent of the config."""
    return ClaudeAgent(name=name, allow=config.env.allow)
