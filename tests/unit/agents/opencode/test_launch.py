"""The command line, environment and config that ``opencode`` is started with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gitfleet.agents.base import Access, Assignment, Launch
from gitfleet.agents.opencode import build
from gitfleet.agents.opencode.rules import allows
from gitfleet.agents.registry import MODULES
from gitfleet.model.agent_config import AgentConfig, AgentKind, Effort, EnvironmentConfig, ToolProfile
from gitfleet.model.parking import Permission
from gitfleet.model.plan import Task

ATTEMPT = Path("/state/attempt")
HOME = Path("/accounts/opencode/home")


def launched(access: Access | None = None, **facts: Any) -> Launch:  # noqa: ANN401 - as the fields are
    known: dict[str, Any] = {
        "task": Task(id="work", instructions="Do it."),
        "session": "s-abcdef",
        "instance": "fleet-s-abcdef-w1-a1",
        "wave": 1,
        "worktree": Path("/work/tree"),
        "prompt_file": ATTEMPT / "prompt.md",
        "handoff_file": ATTEMPT / "handoff.json",
        "port_base": 20000,
        "access": access or Access(ref="opencode", home=HOME),
    }
    return build("opencode", AgentConfig(kind=AgentKind.OPENCODE)).launch(Assignment(**{**known, **facts}))


def config(launch: Launch) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(launch.env["OPENCODE_CONFIG_CONTENT"])
    return document


def gateway(endpoint: str) -> Access:
    return Access(ref="opencode", home=HOME, endpoint=endpoint, secrets={"OPENAI_API_KEY": "sk-secret"})


def test_the_registry_knows_it() -> None:
    assert MODULES[AgentKind.OPENCODE] == "gitfleet.agents.opencode"


def test_the_prompt_and_the_key_are_not_in_its_arguments() -> None:
    launch = launched(gateway("http://gateway/v1/"), model="big", effort=Effort.HIGH, resume="ses_1")

    assert launch.stdin == ATTEMPT / "prompt.md"
    assert launch.argv == (
        *("opencode", "run", "--format", "json", "--title", "fleet-s-abcdef-w1-a1"),
        *("--session", "ses_1", "--model=gitfleet/big", "--variant", "high"),
    )
    assert launch.env["OPENAI_API_KEY"] == "sk-secret"
    assert "sk-secret" not in launch.env["OPENCODE_CONFIG_CONTENT"]
    assert all(b"sk-secret" not in data for data in launch.files.values())


@pytest.mark.parametrize("endpoint", ["http://gateway", "http://gateway/", "http://gateway/v1", "http://gateway/v1/"])
def test_a_gateway_is_a_provider_of_its_own(endpoint: str) -> None:
    launch = launched(gateway(endpoint), model="maker/big")

    document = config(launch)
    assert document["enabled_providers"] == ["gitfleet"]
    provider = document["provider"]["gitfleet"]
    assert provider["options"] == {"baseURL": "http://gateway/v1", "apiKey": "{env:OPENAI_API_KEY}"}
    assert provider["models"]["maker/big"]["variants"]["low"] == {"reasoningEffort": "low"}
    assert launch.files[Path(launch.env["OPENCODE_MODELS_PATH"])] == b"{}\n"


def test_a_vendors_login_has_its_own_models() -> None:
    launch = launched(model="anthropic/big")

    assert launch.argv[-3:] == ("--model=anthropic/big", "--variant", "medium")
    assert not {"OPENCODE_MODELS_PATH", "npm_config_offline"} & set(launch.env)
    assert "provider" not in config(launch)
    assert not any(word.startswith("--model") for word in launched().argv)
    # The program takes a word of its own for a flag, and this one for its bypass.
    assert "--auto" not in launched(model="--auto").argv


def test_everything_of_its_own_is_in_the_accounts_home_and_the_attempt() -> None:
    launch = launched()

    kinds = ("CONFIG", "DATA", "STATE", "CACHE")
    assert {launch.env[f"XDG_{kind}_HOME"] for kind in kinds} == {str(HOME / kind.lower()) for kind in kinds}
    assert all(path.parent == ATTEMPT for path in launch.files)
    (plugin,) = config(launch)["plugin"]
    assert plugin == (ATTEMPT / "opencode-plugin.js").as_uri()
    assert "HOME" not in launch.env


def test_tools_get_the_persons_directories_and_no_key() -> None:
    launch = launched(gateway("http://gateway"), config_home="/person/config")

    text = launch.files[ATTEMPT / "opencode-plugin.js"].decode()
    env = json.loads(text.split("const ENV = ")[1].split("\nconst")[0])
    assert env["XDG_CONFIG_HOME"] == "/person/config"
    assert env["XDG_CACHE_HOME"] == "~/.cache"
    assert env["OPENAI_API_KEY"] is None


def test_safe_asks_for_the_web_and_leaves_other_rules_to_the_person() -> None:
    rules = config(launched())["permission"]

    assert (rules["webfetch"], rules["websearch"], rules["doom_loop"]) == ("ask", "ask", "allow")
    assert rules["bash"] == {"gitfleet status": "allow", "gitfleet status *": "allow"}
    assert rules["external_directory"] == {"/state/attempt/*": "allow"}
    assert "edit" not in rules


def test_profiles_tools_and_grants_are_rules_and_the_last_counts() -> None:
    grants = (
        Permission(tool="external_directory", argument="/etc/*"),
        Permission(tool="webfetch", argument="http://x/"),
    )

    reading = config(launched(profile=ToolProfile.READ_ONLY, tools=("edit(docs/*)", "skill"), grants=grants))[
        "permission"
    ]
    everything = config(launched(profile=ToolProfile.FULL))["permission"]

    assert list(reading["edit"].items()) == [("*", "deny"), ("*handoff.json", "allow"), ("docs/*", "allow")]
    assert reading["skill"] == {"*": "allow"}
    assert reading["external_directory"]["/etc/*"] == "allow"
    assert reading["webfetch"] == "allow"
    assert everything["webfetch"] == "allow"


@pytest.mark.parametrize(
    ("tool", "pattern", "more"),
    [
        ("bash", "make deploy", ""),
        ("bash", "rm *", "every bash that fits rm *, where * and ? stand for anything"),
        ("external_directory", "/etc/?", "every external_directory that fits /etc/?, where * and ? stand for anything"),
        ("edit", "*", "every use of edit"),
        ("webfetch", "http://x/", "every use of webfetch"),
    ],
)
def test_what_a_rule_allows_beyond_what_was_asked_for_is_said(tool: str, pattern: str, more: str) -> None:
    assert allows(tool, pattern) == more


def test_the_bypass_is_said_and_asks_for_nothing() -> None:
    launch = launched(bypass=True)

    assert "--auto" in launch.argv
    assert set(config(launch)["permission"].values()) == {"allow"}
    assert "--auto" not in launched().argv


def test_what_the_config_passes_on_and_the_account_sets_reaches_it() -> None:
    agent = build("mine", AgentConfig(kind=AgentKind.OPENCODE, env=EnvironmentConfig(allow=("PROXY",))))
    access = Access(ref="opencode", home=HOME, settings={"npm_config_offline": "false", "OPENCODE_DISABLE_SHARE": "0"})

    assert agent.name == "mine"
    assert agent.allow == ("PROXY",)
    env = launched(access).env
    assert (env["npm_config_offline"], env["OPENCODE_DISABLE_SHARE"]) == ("false", "0")
