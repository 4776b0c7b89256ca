"""The agent ``codex``: OpenAI's Codex CLI, run by ``codex exec``.

Everything that differs from attempt to attempt is a flag or a variable, since the attempts of an account share its home
at the same time. It works behind Codex's own sandbox, which is given the two directories of git that a commit in a
linked worktree writes to; nobody is asked for anything. Where the system cannot make that sandbox, Codex runs no
command at all: the attempt then waits for a person, and nothing is run without the sandbox that nobody approved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gitfleet.agents.accounts.programs import PROGRAMS
from gitfleet.agents.base import Launch
from gitfleet.agents.codex.outcomes import SANDBOX, outcome
from gitfleet.agents.codex.stream import TRACED, CodexReader
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.agent_config import AgentKind, ToolProfile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.agents.base import Access, Assignment
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.agent_config import AgentConfig
    from gitfleet.model.evidence import Exit
    from gitfleet.model.run import Failure
    from gitfleet.model.usage import Tokens

PROVIDER = "gitfleet"
VENDOR = "https://api.openai.com/v1"

BOUNDS: Final = {"request_max_retries": 3, "stream_max_retries": 4, "stream_idle_timeout_ms": 300_000}
"""How long Codex tries by itself, where an account's settings do not say otherwise: ten seconds against a server that
refuses. Its own bounds, 4, 5 and the same five minutes, hold for an account that logged in at the vendor.
"""

_OFF = ("plugins", "apps", "unbounded_connection_retries")
"""Features of Codex that have no place in an unattended run: the last would wait for a network for ever."""

WORKSPACE = "workspace-write"
COVERED = (".agents", ".aws", ".codex", ".git")
"""What Codex's sandbox keeps commands from writing, below each directory that they may write."""

WEB_SEARCH = "web_search"
"""The one tool of Codex that can be given by name."""


@dataclass(frozen=True, slots=True)
class CodexAgent:
    """Runs ``codex exec`` with the prompt on standard input."""

    name: str = "codex"
    allow: tuple[str, ...] = ()

    def launch(self, assignment: Assignment) -> Launch:
        """Say how to start it for this assignment. Raises ``GitfleetError`` for a tool that Codex has not."""
        access = assignment.account
        unknown = [tool for tool in assignment.tools if tool != WEB_SEARCH]
        if unknown:
            raise GitfleetError(
                Kind.DOCUMENT,
                "unknown-tool",
                f"Codex has no tool {', '.join(unknown)} that could be given to agent {self.name} by name.",
                hint=f"It has {WEB_SEARCH}; commands and edits are its tool profile's.",
            )
        words = ["codex", "exec", "--json", "--color", "never", "--skip-git-repo-check", *_mode(assignment)]
        for key, value in _settings(assignment, access):
            words += ["-c", f"{key}={_toml(value)}"]
        if assignment.model:
            words += [f"--model={assignment.model}"]
        if assignment.resume:
            words += ["resume", assignment.resume]
        return Launch(
            argv=(*words, "-"),
            stdin=assignment.prompt_file,
            env={
                **{name: value for name, value in access.settings.items() if name not in BOUNDS},
                **access.secrets,
                **TRACED,
                **PROGRAMS[AgentKind.CODEX].variables(access.home),
            },
            allow=self.allow,
            directories=_covers(assignment) if WORKSPACE in words else (),
        )

    def reader(self, *, resumed: bool = False, before: Tokens | None = None) -> CodexReader:  # noqa: ARG002
        """Make a reader of its stream; ``before`` is taken off what Codex counts from the session's beginning."""
        return CodexReader(before)

    def outcome(self, ended: Exit, told: Transcript | None = None) -> Failure | None:
        """Read what its end says against success; none when it says nothing against it."""
        return outcome(ended, told, f"Agent {self.name}")


def build(name: str, config: AgentConfig) -> CodexAgent:
    """Build an agent of the config."""
    return CodexAgent(name=name, allow=config.env.allow)


def _mode(assignment: Assignment) -> list[str]:
    """The sandbox: what commands of the model may write. Codex says no by itself to whatever would be asked for."""
    if assignment.bypass:
        return ["--dangerously-bypass-approvals-and-sandbox"]
    if any(grant.tool == SANDBOX for grant in assignment.grants):
        return ["-s", "danger-full-access"]
    if assignment.profile is ToolProfile.READ_ONLY:
        return ["-s", "read-only"]
    return ["-s", WORKSPACE]


def _covers(assignment: Assignment) -> tuple[Path, ...]:
    """What stands still below the directory of git that all attempts share.

    The sandbox covers these names below whatever may be written. Where one is missing it makes it for the time of a
    command, under the eyes of those who have the same TMPDIR alone: of attempts that work at once, one takes away what
    another one is about to cover, whose command then fails.
    """
    return tuple(assignment.git_dirs[-1] / name for name in COVERED) if assignment.git_dirs else ()


def _settings(assignment: Assignment, access: Access) -> Iterator[tuple[str, object]]:
    """Settings of this attempt, by their dotted names."""
    # Only these words are needed: of an unknown one Codex says that it is ignored, where `--disable` would refuse.
    yield from ((f"features.{feature}", False) for feature in _OFF)
    yield "check_for_update_on_startup", False
    yield "analytics.enabled", False
    yield "feedback.enabled", False
    yield "model_reasoning_effort", assignment.effort.value
    yield "sandbox_workspace_write.writable_roots", [str(path) for path in assignment.git_dirs]
    # /tmp is everybody's; an attempt has a directory of its own for that, which TMPDIR names.
    yield "sandbox_workspace_write.exclude_slash_tmp", True
    yield "sandbox_workspace_write.network_access", True
    # A login shell reads the profile anew, which puts other programs before those of the guard on the PATH.
    yield "allow_login_shell", False
    # What names look like decides nothing here: GIT_CONFIG_KEY_0 is no secret, and git fails without it.
    yield "shell_environment_policy.inherit", "all"
    yield "shell_environment_policy.ignore_default_excludes", True
    yield "shell_environment_policy.exclude", [*access.secrets, *TRACED]
    if assignment.profile is ToolProfile.FULL or WEB_SEARCH in assignment.tools:
        yield WEB_SEARCH, "live"
    if access.endpoint or access.secrets:
        yield "model_provider", PROVIDER
        yield from ((f"model_providers.{PROVIDER}.{key}", value) for key, value in _provider(access))


def _provider(access: Access) -> Iterator[tuple[str, object]]:
    """How the model is reached, where that is not the vendor's own login and address."""
    yield "name", PROVIDER
    yield "base_url", access.versioned_endpoint or VENDOR
    yield "wire_api", "responses"
    if access.secrets:
        yield "env_key", next(iter(access.secrets))
    else:
        yield "requires_openai_auth", True
    yield from ((name, int(access.settings.get(name, bound))) for name, bound in BOUNDS.items())


def _toml(value: object) -> str:
    """A value in TOML, whose strings, numbers and lists JSON writes alike (TOML 1.0, basic strings)."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
