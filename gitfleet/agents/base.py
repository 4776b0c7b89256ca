"""What an agent is: something that turns an assignment into a command line, and reads what came of it.

An agent is a pure description: it starts nothing and opens nothing. Its word about the end is evidence, never the
verdict; whether the work is any good is decided by what is on the branch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.agent_config import Effort, ToolProfile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitfleet.agents.transcript import Reader, Transcript
    from gitfleet.model.budget import Budget
    from gitfleet.model.evidence import Exit
    from gitfleet.model.parking import Permission
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Failure
    from gitfleet.model.usage import Tokens

_VERSION = re.compile(r"/v\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The account that an attempt works with.

    ``ref`` is its name, such as ``codex-2``, ``home`` the directory that holds everything of it, and ``endpoint`` the
    address of a gateway, empty for the vendor's own. ``secrets`` are variables for the agent's process alone, by the
    names that its program knows; ``settings`` are variables that are no secrets.
    """

    ref: str
    home: Path
    endpoint: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def versioned_endpoint(self) -> str:
        """The address with the version of its API at the end, as libraries of vendors want it; empty without one."""
        address = self.endpoint.rstrip("/")
        return address if not address or _VERSION.search(address) else f"{address}/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One task for one attempt, numbered from 1.

    ``port_base`` is the first of the ten ports that it may use; ``reduced`` says that an attempt before it ran out of
    time. The directory of ``prompt_file`` is the attempt's own. ``git_dirs`` are the directories of git that commits in
    the worktree write to: the worktree's own and the common one. ``resume`` is the session of the agent's program that
    it goes on with, empty for a new one; then the prompt says only what is new. With ``bypass`` its program asks for
    nothing and refuses nothing; else ``profile`` and ``tools`` (rules in the program's own words) say what it may use,
    beyond the ``grants`` of people. ``budget`` is what it may use: whoever runs it holds it to that, as a program that
    can does itself. ``config_home`` is the caller's own ``XDG_CONFIG_HOME``, where it has one: a backend that gives its
    program another still owes it to the tools, for git's sake.
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
    git_dirs: tuple[Path, ...] = ()
    model: str = ""
    effort: Effort = Effort.MEDIUM
    bypass: bool = False
    profile: ToolProfile = ToolProfile.EDIT
    tools: tuple[str, ...] = ()
    grants: tuple[Permission, ...] = ()
    resume: str = ""
    access: Access | None = None
    budget: Budget | None = None
    config_home: str = ""

    @property
    def account(self) -> Access:
        """The account, for an agent that cannot work without. Raises ``GitfleetError`` (``no-account``)."""
        if self.access is None:
            message = f"{self.instance} has no account to work with."
            raise GitfleetError(Kind.ENVIRONMENT, "no-account", message, hint="gitfleet accounts")
        return self.access


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How an agent is started.

    ``stdin`` is a file, or none for no input. ``env`` are variables of the agent's own; ``allow`` names those of the
    caller that it may see. ``files`` are written first, readable by their owner alone; all lie in the attempt's
    directory or in the account's home. ``directories`` are made first where they are missing, and stay.
    """

    argv: tuple[str, ...]
    stdin: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    files: Mapping[Path, bytes] = field(default_factory=dict)
    directories: tuple[Path, ...] = ()


class Agent(Protocol):
    """A backend that does the work."""

    @property
    def name(self) -> str:
        """What records call it."""

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it for this assignment."""

    def reader(self, *, resumed: bool = False, before: Tokens | None = None) -> Reader | None:
        """Make a reader of its output; none when that is text for people, and says nothing else.

        ``resumed``: the attempt goes on with a session of the agent's program. ``before`` is what that session had used
        until then, as far as it was told: what a program counts from the session's beginning is differenced by it.
        """

    def outcome(self, ended: Exit, told: Transcript | None) -> Failure | None:
        """Read what its end says against success; none when it says nothing against it.

        ``told`` is its whole output, of an agent that has a reader.
        """
