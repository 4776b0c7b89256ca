"""Configs, right and wrong."""

from __future__ import annotations

import pytest

from gitfleet.app.load import load_config
from gitfleet.errors import GitfleetError
from gitfleet.model.config import Config, Publish


def problems(text: str) -> dict[str, str]:
    with pytest.raises(GitfleetError) as caught:
        load_config(text.encode(), "config.yaml")
    assert caught.value.code == "invalid-config"
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("data", [None, b"", b"# nothing\n", b"{}", b"schema: gitfleet/config/v1\n"])
def test_a_config_may_be_missing_or_empty(data: bytes | None) -> None:
    assert load_config(data, "config.yaml") == Config()


def test_every_key_is_read() -> None:
    config = load_config(
        b"""\
target: main
agent: coder
agents:
  coder:
    kind: command
    argv: [sh, -c, "x {{y}} {prompt_file} {worktree} {task} {instance} {handoff_file}"]
    stdin: true
    env: {allow: [CI]}
verify: {commands: [{run: make, name: all, timeout_seconds: 5}]}
waves: {max_agents: 5, budget_tokens: 9, overlap: error, rolling: true}
timeouts: {skill: 1, research: 2, build: 3, verify: 4}
worktrees: {root: ../trees, ports: 30000}
scope: {on_violation: reject}
planning: {publish: off}
branch_prefix: robots
""",
        "config.yaml",
    )
    assert config.agents["coder"].env.allow == ("CI",)
    assert config.waves.max_agents == 5
    assert config.planning.publish is Publish.OFF
    assert config.branch_prefix == "robots"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("pool: {keep: ['!x']}", "pool.keep[0]", "`!x` would keep what is not meant"),
        ("pool: {keep: ['**']}", "pool.keep[0]", "`**` would keep what is not meant"),
        ("worktrees: {copy: [a/../b]}", "worktrees.copy[0]", "`a/../b` is not a plain path below the repository"),
        ("worktrees: {link: [.Git/x]}", "worktrees.link[0]", "`.Git/x` is not a plain path below the repository"),
        ("agents: {a: {kind: codex, fallback: [b]}}", "agents.a.fallback[0]", "unknown agent `b`"),
        ("agents: {a: {kind: codex, fallback: [a]}}", "agents.a.fallback[0]", "`a` cannot step in for itself"),
        ("agents: {a: {argv: [x], account: codex}}", "agents.a.account", "`account` means nothing for kind: command"),
        ("agents: {a: {kind: auto, model: x}}", "agents.a.model", "`model` means nothing for kind: auto"),
        ("landing: {style: squash}", "landing", "`landing` is not built yet"),
        ("waves: {overlap: narrow}", "waves.overlap", "`overlap: narrow` is not built yet"),
        ("scope: {protected: ['@lock']}", "scope.protected[0]", "`@lock` is not a word"),
        ("scope: {protected: [a, ../b]}", "scope.protected[1]", "bad entry `../b`: `..` is not allowed in a scope"),
        ("worktrees: {setup: [' ']}", "worktrees.setup[0]", "the command is blank"),
        ("waves: {max_agent: 1}", "waves.max_agent", "unknown field `max_agent`"),
        ("waves: {rolling: yes}", "waves.rolling", "found the text `yes`"),
        ("agent: x", "agent", "unknown agent `x`"),
        ("agents: {a: {}}", "agents.a", "the command agent `a` has no argv"),
        ("agents: {a: {argv: ['']}}", "agents.a.argv[0]", "the program is empty"),
        ("agents: {a: {argv: [x, '{prompt}']}}", "agents.a.argv[1]", "`{prompt}` is not a placeholder"),
        ("agents: {a: {argv: [x, '{']}}", "agents.a.argv[1]", "a brace is opened and not closed"),
        (
            "agents: {a: {argv: [x], env: {allow: [GH_token]}}}",
            "agents.a.env.allow[0]",
            "`GH_token` looks like a secret and is not passed to agents",
        ),
        (
            "agents: {a: {argv: [x], env: {allow: ['A=1']}}}",
            "agents.a.env.allow[0]",
            "`A=1` is not the name of a variable",
        ),
        ("target: a..b", "target", "`a..b` is not a name that git takes"),
        ("target: -x", "target", "`-x` is not a name that git takes"),
        ("branch_prefix: a.lock", "branch_prefix", "`a.lock` is not a name that git takes"),
        ("branch_prefix: a/b", "branch_prefix", "`a/b` has the wrong form"),
        ("verify: {commands: [{run: ' '}]}", "verify.commands[0].run", "the command is blank"),
        ("schema: gitfleet/config/v2", "schema", "`gitfleet/config/v2` is not a choice"),
        ("- a", "", "found a list"),
    ],
)
def test_a_wrong_config_is_told_once(text: str, path: str, message: str) -> None:
    assert problems(text) == {path: message}


@pytest.mark.parametrize("name", ["API_KEY", "OPENAI_APIKEY", "DB_PASSWORD", "my_secret_x", "SSH_PRIVATE_KEY", "TOKEN"])
def test_secrets_are_refused(name: str) -> None:
    assert "looks like a secret" in problems(f"agents: {{a: {{argv: [x], env: {{allow: [{name}]}}}}}}").popitem()[1]


def test_shape_and_meaning_are_told_in_one_answer() -> None:
    found = problems("agent: b\nagents: {a: {argv: ['{x}'], model: y}}\nlanding: {}\n")
    assert set(found) == {"agent", "agents.a.argv[0]", "agents.a.model", "landing"}


def test_markdown_is_not_a_config() -> None:
    with pytest.raises(GitfleetError) as caught:
        load_config(b"# x", "config.md")
    assert caught.value.problems[0].message == "Markdown is read as a plan only"
