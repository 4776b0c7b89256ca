"""The command line, the environment and the settings that ``claude`` is started with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gitfleet.agents.base import Access, Assignment, Launch
from gitfleet.agents.claude import build
from gitfleet.agents.claude.launch import DEFAULTS
from gitfleet.agents.claude.rules import allows
from gitfleet.agents.registry import MODULES, agent_for
from gitfleet.errors import GitfleetError
from gitfleet.model.agent_config import AgentConfig, AgentKind, Effort, EnvironmentConfig, ToolProfile
from gitfleet.model.budget import Budget
from gitfleet.model.config import Config
from gitfleet.model.parking import Permission
from gitfleet.model.plan import Task

ATTEMPT = Path("/at (1)")
SETTINGS = ATTEMPT / "claude-settings.json"
ACCESS = Access(
    ref="claude-2",
    home=Path("/state/claude-2/home"),
    endpoint="http://127.0.0.1:9/x",
    secrets={"ANTHROPIC_API_KEY": "sk-ant-api03-secret"},
    settings={"CLAUDE_CODE_MAX_RETRIES": "1"},
)


def launch(*, allow: tuple[str, ...] = (), **facts: Any) -> Launch:  # noqa: ANN401 - as the fields are
    known: dict[str, Any] = {
        "task": Task(id="a", instructions="Do it."),
        "session": "s-abcdef",
        "instance": "fleet-s-abcdef-w1-a1",
        "wave": 1,
        "worktree": Path("/w"),
        "prompt_file": ATTEMPT / "prompt.md",
        "handoff_file": ATTEMPT / "hand[off].json",
        "port_base": 20000,
        "access": ACCESS,
    }
    agent = build("claude", AgentConfig(kind=AgentKind.CLAUDE, env=EnvironmentConfig(allow=allow)))
    return agent.launch(Assignment(**{**known, **facts}))


def rules(launched: Launch) -> tuple[list[str], list[str]]:
    permissions = json.loads(launched.files[SETTINGS])["permissions"]
    return permissions["allow"], permissions["deny"]


def test_the_name_works_without_a_config() -> None:
    assert MODULES[AgentKind.CLAUDE] == "gitfleet.agents.claude"
    assert agent_for(Task(id="a", agent="claude"), Config()).name == "claude"


def test_it_is_started_in_print_mode_with_the_prompt_on_standard_input() -> None:
    made = launch()

    assert made.argv == (
        *("claude", "-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"),
        *("--forward-subagent-text", "--settings", str(SETTINGS), "--effort", "medium"),
        *("--permission-mode", "acceptEdits", "--permission-prompts", "none"),
    )
    assert made.stdin == ATTEMPT / "prompt.md"
    assert made.env == {
        **DEFAULTS,
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/x",
        "ANTHROPIC_API_KEY": "sk-ant-api03-secret",
        "CLAUDE_CONFIG_DIR": "/state/claude-2/home",
        "CLAUDE_ENV_FILE": str(ATTEMPT / "claude-tools.sh"),
    }
    assert made.files[ATTEMPT / "claude-tools.sh"] == b"unset ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN\n"
    assert "secret" not in " ".join(made.argv)
    assert b"secret" not in made.files[SETTINGS]


def test_model_effort_session_and_bounds_are_passed_on() -> None:
    made = launch(
        model="opus", effort=Effort.HIGH, resume="id-1", budget=Budget(max_turns=7, max_usd=0.25, max_tokens=5)
    )

    said = " ".join(made.argv)
    assert "--resume id-1 --model=opus --effort high --max-turns 7 --max-budget-usd 0.250000 --permission-mode" in said


def test_the_vendors_login_is_used_without_a_secret_and_a_token_goes_by_its_name() -> None:
    home = Path("/h")
    login = launch(access=Access(ref="claude", home=home)).env
    token = launch(access=Access(ref="c", home=home, secrets={"ANTHROPIC_API_KEY": "sk-ant-oat01-x"})).env

    assert {name for name in login if name.startswith("ANTHROPIC")} == set()
    assert login["CLAUDE_CONFIG_DIR"] == token["CLAUDE_CONFIG_DIR"] == "/h"
    assert token["CLAUDE_CODE_OAUTH_TOKEN"] == "sk-ant-oat01-x"  # noqa: S105 - none
    assert "ANTHROPIC_API_KEY" not in token


def test_without_an_account_it_is_not_started() -> None:
    with pytest.raises(GitfleetError, match="no account"):
        launch(access=None)


def test_variables_of_the_caller_are_left_to_the_caller() -> None:
    made = launch(allow=("DISABLE_TELEMETRY",))
    assert made.allow == ("DISABLE_TELEMETRY",)
    assert "DISABLE_TELEMETRY" not in made.env


@pytest.mark.parametrize(
    ("profile", "allowed", "denied"),
    [
        (ToolProfile.READ_ONLY, ["Bash", "Read", "Skill"], {"Edit", "Write", "NotebookEdit", "EnterWorktree"}),
        (ToolProfile.EDIT, ["Bash", "Read", "Skill", r"Edit(//at (1)/hand\[off\].json)"], {"EnterWorktree"}),
        (
            ToolProfile.FULL,
            ["Bash", "Read", "Skill", "WebFetch", "WebSearch", r"Edit(//at (1)/hand\[off\].json)"],
            {"EnterWorktree"},
        ),
    ],
)
def test_a_profile_is_a_set_of_rules(profile: ToolProfile, allowed: list[str], denied: set[str]) -> None:
    allow, deny = rules(launch(profile=profile, tools=("mcp__db__read",)))

    assert allow == [*allowed, "mcp__db__read"]
    assert denied <= set(deny)
    assert not {"Edit", "Write"} & (set(deny) - denied)


@pytest.mark.parametrize(
    ("grant", "rule"),
    [
        (Permission(tool="Bash", argument="make (all)"), r"Bash(make \(all\))"),
        # Brackets behind a backslash are other words than brackets.
        (Permission(tool="Bash", argument=r"make \(all\)"), r"Bash(make \\\(all\\\))"),
        (Permission(tool="Write", argument="/etc/a*.txt"), r"Edit(//etc/a\*.txt)"),
        (Permission(tool="Edit", argument="src/x.py"), "Edit(//w/src/x.py)"),
        (Permission(tool="Read", argument="/etc/motd"), "Read(//etc/motd)"),
        (Permission(tool="WebFetch", argument="https://docs.rs/x?y"), "WebFetch(domain:docs.rs)"),
        (Permission(tool="WebFetch", argument="no address"), "WebFetch"),
        (Permission(tool="mcp__db__drop", argument='{"table": "t"}'), "mcp__db__drop"),
        (Permission(tool="Write"), "Write"),
    ],
)
def test_what_a_person_approved_is_a_rule_as_narrow_as_can_be(grant: Permission, rule: str) -> None:
    assert rules(launch(grants=(grant,)))[0][-1] == rule


@pytest.mark.parametrize(
    ("tool", "argument", "more"),
    [
        ("Bash", "make deploy; rm x", ""),
        ("Bash", "rm build/*", "every command that fits rm build/*, where * stands for anything"),
        ("Bash", "make:*", "every command that fits make:*, where * stands for anything"),
        ("Bash", "", "every use of Bash"),
        ("Write", "/etc/*", ""),
        ("WebFetch", "https://docs.rs/x?y", "every address on docs.rs"),
        ("WebFetch", "http://*/", "every address on *, where * stands for anything"),
        ("WebFetch", "http://[/", "every use of WebFetch"),
        ("mcp__db__drop", '{"table": "t"}', "every use of mcp__db__drop"),
    ],
)
def test_what_a_rule_allows_beyond_what_was_asked_for_is_said(tool: str, argument: str, more: str) -> None:
    assert allows(tool, argument) == more


def test_the_bypass_is_named() -> None:
    made = launch(bypass=True)

    assert "--dangerously-skip-permissions" in made.argv
    assert "--permission-mode" not in made.argv
    assert made.env["IS_SANDBOX"] == "1"
    assert "IS_SANDBOX" not in launch().env
