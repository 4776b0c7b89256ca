"""What an agent is: something that turns an assignment into a command line, and reads how that command ended.

An agent is a pure description: it starts nothing and opens nothing. Its word about the end is evidence, never the
verdict; whether the work is any good is decided by what is on the branch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitfleet.model.evidence import Exit
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One task for one attempt, numbered from 1.

    ``port_base`` is the first of the ten ports that it may use; ``reduced`` says that an attempt before it ran out of
    time.
    """

    task: Task
    session: str
    instance: str
    wave: int
    worktree: Path
    prompt_file: Path
    handoff_file: Path
    port_base: int
    attempt: int = 1
    reduced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Say how to start an agent.

    ``stdin`` is a file, or none for no input. ``env`` are variables of the agent's own; ``allow`` names those of the
    caller that it may see.
    """

    argv: tuple[str, ...]
    stdin: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    allow: tuple[str, ...] = ()


class Agent(Protocol):
    """A backend that does the work."""

    @property
    def name(self) -> str:
        """What records call it."""

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it for this assignment."""

    def outcome(self, ended: Exit) -> Failure | None:
        """Read what the end of its process says against success; none when it says nothing against it."""
