"""The command agent: any program, either a task's own shell command or an ``argv`` from the config.

A task's ``command`` is what a person wrote and runs with ``sh -c``. An ``argv`` never meets a shell: placeholders are
filled in word by word, so a path with blanks or quotes stays one argument.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.agents.base import Launch
from gitfleet.model.run import Failure, FailureSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.agents.base import Assignment
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.evidence import Exit
    from gitfleet.model.usage import Tokens

PLACEHOLDERS = ("prompt_file", "worktree", "task", "instance", "handoff_file")

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

SHELL_SIGNAL = 128
"""What a shell adds to the number of the signal that ended its command (POSIX, `sh`, Exit Status)."""

_SHELL_CODES = {126: " (the shell cannot run that program)", 127: " (the shell found no such program)"}


class TemplateError(ValueError):
    """A word of an ``argv`` has a placeholder that does not exist; the message is a clause."""


def check_argv(argv: Iterable[str]) -> list[str]:
    """Find what is wrong with the placeholders of an ``argv``, a clause each; empty when nothing is."""
    problems = []
    for word in argv:
        try:
            fill(word, dict.fromkeys(PLACEHOLDERS, ""))
        except TemplateError as error:
            problems.append(str(error))
    return problems


def fill(word: str, values: dict[str, str]) -> str:
    """Fill in the placeholders of one word; ``{{`` and ``}}`` are braces. Raises ``TemplateError``."""

    def replace(match: re.Match[str]) -> str:
        token = match.group(0)
        if token in {"{{", "}}"}:
            return token[0]
        known = ", ".join("{" + name + "}" for name in PLACEHOLDERS)
        if match.group(1) is None:
            msg = f"`{word}` has a lone `{token}`: write `{token * 2}` for a brace (known placeholders: {known})"
            raise TemplateError(msg)
        if match.group(1) not in values:
            msg = f"`{word}` names no known placeholder with `{token}`: there are {known}, and `{{{{` for a brace"
            raise TemplateError(msg)
        return values[match.group(1)]

    return _TOKEN.sub(replace, word)


@dataclass(frozen=True, slots=True)
class ShellAgent:
    """Runs a task's own ``command`` with ``sh -c`` in its worktree."""

    name: str = "command"
    allow: tuple[str, ...] = ()

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it for this assignment."""
        return Launch(argv=("sh", "-c", assignment.task.command or ":"), allow=self.allow)

    def reader(self, *, resumed: bool = False, before: Tokens | None = None) -> None:
        """Give none: its output is text for people."""

    def outcome(self, ended: Exit, told: Transcript | None = None) -> Failure | None:  # noqa: ARG002
        """Read what the end of its process says against success; none when it says nothing against it."""
        return judge(ended, "The command")


@dataclass(frozen=True, slots=True)
class ProgramAgent:
    """Runs a program from the config; the prompt is a file, and on standard input too where the config says so."""

    name: str
    argv: tuple[str, ...]
    stdin: bool = False
    allow: tuple[str, ...] = ()

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it for this assignment."""
        values = {
            "prompt_file": str(assignment.prompt_file),
            "worktree": str(assignment.worktree),
            "task": assignment.task.id,
            "instance": assignment.instance,
            "handoff_file": str(assignment.handoff_file),
        }
        return Launch(
            argv=tuple(fill(word, values) for word in self.argv),
            stdin=assignment.prompt_file if self.stdin else None,
            allow=self.allow,
        )

    def reader(self, *, resumed: bool = False, before: Tokens | None = None) -> None:
        """Give none: its output is text for people."""

    def outcome(self, ended: Exit, told: Transcript | None = None) -> Failure | None:  # noqa: ARG002
        """Read what the end of its process says against success; none when it says nothing against it."""
        return judge(ended, f"Agent {self.name}")


def build(name: str, config: AgentConfig) -> ProgramAgent:
    """Build a program of the config."""
    return ProgramAgent(name=name, argv=config.argv, stdin=config.stdin, allow=config.env.allow)


def signal_of(ended: Exit) -> int:
    """The number of the signal that ended a process, as it or its shell tells; not above 0 where none did."""
    return ended.signal or (ended.code or 0) - SHELL_SIGNAL


def judge(ended: Exit, who: str) -> Failure | None:
    """Name the failure that the end of a plain process stands for; ``who`` begins the sentence."""
    source, code, message = FailureSource.TASK, "exit-code", ""
    seconds = "" if ended.seconds is None else f" after {ended.seconds:.0f} s"
    match ended.reason:
        case "exited" if signal.SIGKILL in {ended.signal, (ended.code or 0) - SHELL_SIGNAL}:
            # Nothing kills itself so: the kernel did, out of memory, or a person. Next time there may be room.
            source, code = FailureSource.TRANSPORT, "killed"
            message = f"{who} was killed{seconds}, by a person or by a system that was out of memory."
        case "exited" if ended.signal is not None:
            code, message = "signal", f"{who} was ended by {_signal_name(ended.signal)}{seconds}."
        case "exited" if ended.code:
            code, message = "exit-code", f"{who} ended with exit code {ended.code}{_SHELL_CODES.get(ended.code, '')}."
        case "exited":
            return None
        case "deadline":
            code, message = "deadline", f"{who} was stopped at its deadline{seconds}."
        case "stopped":
            source, code, message = FailureSource.TRANSPORT, "stopped", f"{who} was stopped{seconds}."
        case "stalled":
            source, code, message = (
                FailureSource.TRANSPORT,
                "stalled",
                f"{who} was stopped{seconds}: it showed no life.",
            )
        case "budget":
            code, message = "budget", f"{who} was stopped{seconds}: it had used up its budget."
        case "spawn-failed":
            source, code, message = (
                FailureSource.TRANSPORT,
                "spawn-failed",
                f"{who} did not start: {ended.message.rstrip('.')}.",
            )
        case _:
            source, code, message = FailureSource.TRANSPORT, "lost", f"{who} was lost: {ended.message}"
    return Failure(source=source, code=code, message=message)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
