"""Codex is started with everything said on its command line, and with nothing of the attempt in the account's home."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitfleet.agents.base import Access, Assignment, Launch
from gitfleet.agents.codex import build
from gitfleet.errors import GitfleetError
from gitfleet.model.agent_config import AgentConfig, Effort, EnvironmentConfig, ToolProfile
from gitfleet.model.parking import Permission
from gitfleet.model.plan import Task

AGENT = build("codex", AgentConfig(env=EnvironmentConfig(allow=("JAVA_HOME",))))
ACCESS = Access(ref="codex", home=Path("/a/home"), secrets={"OPENAI_API_KEY": "k"})
ASSIGNMENT = Assignment(
    task=Task(id="a"),
    session="s-abcdef",
    instance="fleet-s-abcdef-w1-a1",
    wave=1,
    worktree=Path("/w"),
    prompt_file=Path("/at/prompt.md"),
    handoff_file=Path("/at/handoff.json"),
    port_base=20000,
    git_dirs=(Path('/r "ü"\\/.git/worktrees/w'), Path('/r "ü"\\/.git')),
    access=ACCESS,
)


def settings(launch: Launch) -> dict[str, Any]:
    """The settings on the command line, as TOML reads them."""
    words = [word for flag, word in zip(launch.argv, launch.argv[1:], strict=False) if flag == "-c"]
    return tomllib.loads("\n".join(words))


def test_a_plain_launch() -> None:
    launch = AGENT.launch(replace(ASSIGNMENT, model="gpt-x", effort=Effort.HIGH))

    found = settings(launch)
    assert launch.argv[:8] == (
        "codex",
        "exec",
        "--json",
        "--color",
        "never",
        "--skip-git-repo-check",
        "-s",
        "workspace-write",
    )
    assert launch.argv[-2:] == ("--model=gpt-x", "-")
    assert launch.stdin == Path("/at/prompt.md")
    assert launch.files == {}
    # Of the directories that it may write, attempts share this one: nobody takes away there what another one covers.
    assert launch.directories == tuple(ASSIGNMENT.git_dirs[1] / name for name in (".agents", ".aws", ".codex", ".git"))
    assert AGENT.launch(replace(ASSIGNMENT, profile=ToolProfile.READ_ONLY)).directories == ()
    assert launch.allow == ("JAVA_HOME",)
    assert launch.env["CODEX_HOME"] == "/a/home"
    assert launch.env["OPENAI_API_KEY"] == "k"
    assert "k" not in launch.argv
    assert found["model_reasoning_effort"] == "high"
    assert found["sandbox_workspace_write"] == {
        "writable_roots": ['/r "ü"\\/.git/worktrees/w', '/r "ü"\\/.git'],
        "exclude_slash_tmp": True,
        "network_access": True,
    }
    assert found["shell_environment_policy"]["exclude"] == ["OPENAI_API_KEY", "RUST_LOG", "TZ"]
    assert found["model_providers"]["gitfleet"]["base_url"] == "https://api.openai.com/v1"
    assert found["model_providers"]["gitfleet"]["env_key"] == "OPENAI_API_KEY"
    assert "web_search" not in found


@pytest.mark.parametrize(
    ("changed", "sandbox"),
    [
        ({"profile": ToolProfile.READ_ONLY}, ("-s", "read-only")),
        ({"profile": ToolProfile.FULL}, ("-s", "workspace-write")),
        ({"bypass": True}, ("--dangerously-bypass-approvals-and-sandbox",)),
        ({"grants": (Permission(tool="sandbox"),)}, ("-s", "danger-full-access")),
        ({"grants": (Permission(tool="other"),)}, ("-s", "workspace-write")),
    ],
)
def test_the_sandbox_is_as_wide_as_was_allowed(changed: dict[str, Any], sandbox: tuple[str, ...]) -> None:
    launch = AGENT.launch(replace(ASSIGNMENT, **changed))

    assert launch.argv[6 : 6 + len(sandbox)] == sandbox
    assert settings(launch).get("web_search") == ("live" if changed.get("profile") is ToolProfile.FULL else None)


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [("https://g.example", "https://g.example/v1"), ("https://g.example/api/v2/", "https://g.example/api/v2")],
)
def test_an_endpoint_is_the_address_of_the_model(endpoint: str, address: str) -> None:
    access = replace(ACCESS, endpoint=endpoint, secrets={}, settings={"stream_max_retries": "1", "OTHER": "x"})

    launch = AGENT.launch(replace(ASSIGNMENT, access=access))

    provider = settings(launch)["model_providers"]["gitfleet"]
    assert provider["base_url"] == address
    assert provider["requires_openai_auth"] is True
    assert (provider["stream_max_retries"], provider["request_max_retries"]) == (1, 3)
    assert launch.env["OTHER"] == "x"
    assert "stream_max_retries" not in launch.env


def test_the_vendors_own_login_needs_no_provider() -> None:
    launch = AGENT.launch(replace(ASSIGNMENT, access=replace(ACCESS, secrets={})))

    assert "model_provider" not in settings(launch)


def test_a_session_goes_on() -> None:
    launch = AGENT.launch(replace(ASSIGNMENT, resume="01a1"))

    assert launch.argv[-3:] == ("resume", "01a1", "-")


def test_a_tool_that_codex_has_not_is_refused() -> None:
    assert settings(AGENT.launch(replace(ASSIGNMENT, tools=("web_search",))))["web_search"] == "live"
    with pytest.raises(GitfleetError, match="no tool Bash"):
        AGENT.launch(replace(ASSIGNMENT, tools=("Bash", "web_search")))
    with pytest.raises(GitfleetError, match="no account"):
        AGENT.launch(replace(ASSIGNMENT, access=None))
