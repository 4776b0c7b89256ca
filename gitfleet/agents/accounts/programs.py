"""The programs of real agents: what they are called, how they are installed, and how they log in. Starts nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.model.agent_config import AgentKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Program:
    """One vendor's program.

    ``home`` are its variables for the directory that holds everything of it, with the part below an account's home;
    ``login`` is what it is started with to log in; ``credentials`` is where it then keeps what it may be known by, and
    ``key`` the variable in which it wants a key. ``settings`` are what may be taken over from a person's own home:
    where that is by default, and the files in it that never hold credentials.
    """

    name: str
    package: str
    home: Mapping[str, str]
    login: tuple[str, ...]
    credentials: str
    key: str
    own_home: tuple[str, str]
    own_variable: str
    settings: tuple[str, ...]

    def variables(self, home: Path) -> dict[str, str]:
        """Variables that make it keep everything in an account's home."""
        return {name: str(home / part) for name, part in self.home.items()}

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"npm install -g {self.package}"


PROGRAMS: dict[AgentKind, Program] = {
    AgentKind.CLAUDE: Program(
        name="claude",
        package="@anthropic-ai/claude-code",
        home={"CLAUDE_CONFIG_DIR": ""},
        login=("auth", "login"),
        credentials=".credentials.json",
        key="ANTHROPIC_API_KEY",
        own_home=(".claude", ""),
        own_variable="CLAUDE_CONFIG_DIR",
        settings=("settings.json", "CLAUDE.md", "agents", "commands", "skills", "output-styles", "keybindings.json"),
    ),
    AgentKind.CODEX: Program(
        name="codex",
        package="@openai/codex",
        home={"CODEX_HOME": ""},
        login=("login",),
        credentials="auth.json",
        key="OPENAI_API_KEY",
        own_home=(".codex", ""),
        own_variable="CODEX_HOME",
        settings=("config.toml", "AGENTS.md", "prompts", "rules", "skills"),
    ),
    AgentKind.OPENCODE: Program(
        name="opencode",
        package="opencode-ai",
        home={
            **{f"XDG_{kind.upper()}_HOME": kind for kind in ("config", "data", "state", "cache")},
            # It installs what its plugins may want with npm's cache, also into the `.opencode` that it looks for below
            # the person's home.
            "npm_config_cache": "cache/npm",
            "OPENCODE_TEST_HOME": "",
        },
        login=("auth", "login"),
        credentials="data/opencode/auth.json",
        key="OPENAI_API_KEY",
        own_home=(".config/opencode", "config/opencode"),
        own_variable="",
        settings=("opencode.json", "opencode.jsonc", "AGENTS.md", "agent", "agents", "command", "commands", "themes"),
    ),
}


def needs_account(kind: AgentKind) -> bool:
    """Whether agents of a kind work with an account."""
    return kind in PROGRAMS


def found(kind: AgentKind, caller: Mapping[str, str]) -> bool:
    """Whether the program of a kind is on the caller's PATH."""
    return shutil.which(PROGRAMS[kind].name, path=caller.get("PATH", "")) is not None
