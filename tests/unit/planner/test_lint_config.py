"""Everything that is wrong with a config beyond its shape, without reading one."""

from __future__ import annotations

import pytest

from gitfleet.model.agent_config import AgentConfig, AgentKind
from gitfleet.model.config import Config, NotifyConfig, ScopeConfig
from gitfleet.model.plan import Check
from gitfleet.model.trees_config import PoolConfig, WorktreesConfig
from gitfleet.model.verify_config import FingerprintConfig, VerifyConfig
from gitfleet.planner.lint_config import lint_config

RIGHT = AgentConfig(argv=("./agent",))


@pytest.mark.parametrize(
    ("config", "trail", "words"),
    [
        (Config(branch_prefix="p" * 300), ("branch_prefix",), "it has 300 characters"),
        (Config(target="-x"), ("target",), "not a name that git takes"),
        (Config(branch_prefix="a..b"), ("branch_prefix",), "not a name that git takes"),
        (Config(agents={" ": RIGHT}), ("agents", " "), "the agent's name is blank"),
        (Config(agents={"a\u202eb": RIGHT}), ("agents", "a\u202eb"), "invisible characters that reorder text"),
        (Config(agents={"a\nb": RIGHT}), ("agents", "a\nb"), "line breaks or control characters"),
        (Config(agents={"a": AgentConfig(argv=("",))}), ("agents", "a", "argv", 0), "the program is empty"),
        (Config(agent="nobody", agents={"a": RIGHT}), ("agent",), "nobody"),
    ],
)
def test_a_finding_has_its_place_and_its_words(config: Config, trail: tuple[str | int, ...], words: str) -> None:
    (finding,) = lint_config(config)
    assert finding.trail == trail
    assert words in finding.message


def test_a_right_config_has_no_findings() -> None:
    checks = VerifyConfig(commands=(Check(run="make test", name="tests"),))
    assert lint_config(Config(agents={"a": RIGHT}, agent="a", target="main", verify=checks)) == ()


@pytest.mark.parametrize("name", ["", "/", "../x", "a/../b", "~", "~jo/x", "a\0b", "a\nb"])
def test_a_file_of_the_fingerprint_is_a_plain_place(name: str) -> None:
    config = Config(
        verify=VerifyConfig(fingerprint=FingerprintConfig(files=("/etc/os-release", "~/.toolrc", "a/b", name)))
    )
    (finding,) = lint_config(config)
    assert finding.trail == ("verify", "fingerprint", "files", 3)


def test_a_command_of_the_fingerprint_is_not_blank() -> None:
    (finding,) = lint_config(Config(verify=VerifyConfig(fingerprint=FingerprintConfig(commands=(" ",)))))
    assert finding.trail == ("verify", "fingerprint", "commands", 0)


def test_everything_that_may_be_listed_is_found_right() -> None:
    config = Config(
        agents={"one": AgentConfig(kind=AgentKind.CLAUDE, fallback=("codex", "two")), "two": RIGHT},
        verify=VerifyConfig(
            commands=(Check(run="make", when=("src/", "!src/docs/")),),
            fingerprint=FingerprintConfig(commands=("node --version",), files=("~/.m2/settings.xml",)),
            keep=("node_modules", "*.o"),
        ),
        notify=NotifyConfig(commands=("true",)),
        worktrees=WorktreesConfig(copied=(".env", "web/.env"), link=("node_modules",), setup=("npm ci",)),
        pool=PoolConfig(keep=("target/",)),
        scope=ScopeConfig(protected=("@ci", "deploy/")),
    )
    assert lint_config(config) == ()


@pytest.mark.parametrize(
    ("config", "trail"),
    [
        (Config(notify=NotifyConfig(commands=("true", " "))), ("notify", "commands", 1)),
        (Config(worktrees=WorktreesConfig(setup=("",))), ("worktrees", "setup", 0)),
        (Config(worktrees=WorktreesConfig(copied=("../.env",))), ("worktrees", "copy", 0)),
        (Config(worktrees=WorktreesConfig(link=(".git/hooks",))), ("worktrees", "link", 0)),
        (Config(pool=PoolConfig(keep=("*",))), ("pool", "keep", 0)),
        (Config(verify=VerifyConfig(keep=("a\nb",))), ("verify", "keep", 0)),
        (Config(verify=VerifyConfig(commands=(Check(run=" "),))), ("verify", "commands", 0, "run")),
        (Config(scope=ScopeConfig(protected=("@lock",))), ("scope", "protected", 0)),
        (Config(scope=ScopeConfig(protected=("..",))), ("scope", "protected", 0)),
        (Config(agents={"a": AgentConfig(kind=AgentKind.CODEX, fallback=("a",))}), ("agents", "a", "fallback", 0)),
        (Config(agents={"a": AgentConfig(kind=AgentKind.AUTO, model="m")}), ("agents", "a", "model")),
        (Config(agents={"a": AgentConfig(argv=("x",), model="m")}), ("agents", "a", "model")),
    ],
)
def test_what_would_do_nothing_or_too_much_is_found_where_it_stands(
    config: Config, trail: tuple[str | int, ...]
) -> None:
    (finding,) = lint_config(config)
    assert finding.trail == trail
